// Reading video files (OpenCV) and writing them (FFmpeg's libraries).
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

struct VideoQuality {
  int crf = 20;      // H.264 and VP9: constant rate factor, 0 best, 51 worst
  bool rgb = false;  // .mp4: H.264 in RGB instead of YUV 4:2:0
};

// Writes beside and renames on Close(): a half-written film never has the final name. Codec ladder
// by extension: .mp4 avc1, mp4v; .webm vp09, vp80; .avi MJPG; .mkv FFV1 (lossless: what is read is
// what was written, at any size; browsers do not play it). The codec taken is logged when it is not
// the first. Not thread-safe.
//
// The same pictures give the same bytes. YUV 4:2:0 costs a level or two of every colour and more at
// edges, where its colours' half resolution shows, whatever the crf; RGB avoids both, and is played
// by players (VLC, mpv) and read by FFmpeg and OpenCV, but not by browsers. OpenCV's conversion from
// YUV rounds down; the reader makes up for that (within a level of a flat colour on average).
class VideoWriter {
 public:
  // UserError: odd height or width (no codec of the ladder takes them), unknown extension, missing
  // folder, no codec of the ladder opens.
  VideoWriter(const std::filesystem::path& path, double fps, int height, int width,
              const VideoQuality& quality = {});
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
