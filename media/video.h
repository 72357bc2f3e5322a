// Reading and writing video files (OpenCV, FFmpeg behind it).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/frame.h"

namespace v2r {

// Reads frame by frame, RGB. Not thread-safe.
class VideoReader {
 public:
  // UserError when the file is missing, no video, or has no frame.
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();
  double fps() const;                // 0 = unknown
  int64_t frame_count_hint() const;  // what the container says, 0 = nothing; may be wrong
  // False at the end. UserError naming video and frame when decoding fails before the container's
  // own end.
  bool Next(Image& frame);
  // As Next() without handing the frame out (cheaper).
  bool Skip();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes beside and renames on Close(): a half-written film never has the final name. Codec ladder
// by extension: .mp4 avc1, mp4v; .webm vp09, vp80; .avi MJPG; .mkv FFV1 (lossless: what is read is
// what was written, at any size; browsers do not play it). The codec taken is logged when it is not
// the first. Not thread-safe.
//
// What OpenCV 4.6 makes of a film (RMSE in grey levels after shrinking 256 -> 64 by area):
// avc1 2.3, vp09 2.2, MJPG 1.2, FFV1 0. H.264 is written at crf 23, which cannot be changed, but
// that is the smaller part: OpenCV's conversion from YUV reads every limited-range film 1 to 2
// levels too dark (2.1 of the 2.3).
class VideoWriter {
 public:
  // UserError: odd height or width (no codec of the ladder takes them), unknown extension, missing
  // folder, no codec of the ladder opens.
  VideoWriter(const std::filesystem::path& path, double fps, int height, int width);
  ~VideoWriter();  // without Close(): the unfinished file is removed
  void Write(ImageView frame);
  // Finishes, reads the film's own count back, fsyncs, renames. UserError when the disk refuses;
  // nothing is left behind then. V2R_SIMULATE_DISK_FULL as in core/files.h. At least one frame must
  // have been written.
  void Close();
  const std::string& codec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Single pictures. UserError naming the path.
Image ReadImage(const std::filesystem::path& path);
void WritePng(const std::filesystem::path& path, ImageView image);
// PNG bytes of a picture, e.g. for a report.
std::string EncodePng(ImageView image);

}  // namespace v2r
