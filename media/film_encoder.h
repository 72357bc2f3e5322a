// Internal to media/: one film file through FFmpeg's libraries. OpenCV's writer fixes the quality
// at crf 23, converts colours with rounding down, and does not repeat itself to the bit.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/frame.h"

namespace v2r {

// Why a film cannot be written; VideoWriter makes a UserError of it.
class FilmError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// True when this FFmpeg has an encoder for `codec`: avc1, avc1_rgb, mp4v, vp09, vp80, MJPG or FFV1.
bool HasFilmCodec(const std::string& codec);

// Encodes on the calling thread: the same pictures give the same bytes. FFV1 and avc1_rgb (H.264,
// High 4:4:4 Predictive) keep RGB as it is; the others take YUV 4:2:0 (BT.601, full range for
// MJPG).
class FilmEncoder {
 public:
  // crf: constant rate factor of H.264 and VP9 (0 best; others take a fixed quality). FilmError.
  FilmEncoder(const std::filesystem::path& path, const std::string& codec, double fps, int height,
              int width, int crf);
  ~FilmEncoder();
  void Write(ImageView frame);  // [height, width]
  void Finish();                // writes what is pending and the end of the file

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v2r
