// Is the file whole? FFmpeg reads as much as it can of a cut-off file and OpenCV cannot tell that
// from its end, so the outer structure of the common containers is read here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace v2r {

struct ContainerState {
  // The container counts its frames (MP4/MOV, AVI) instead of stating a duration.
  bool exact_count = false;
  // AVI: entries of the index that hold a picture (empty ones repeat the one before), 0 = no index.
  int64_t pictures = 0;
  // MP4: the share of the film that its edit list shows (a film that was cut without re-encoding).
  double shown_share = 1;
  // Why the file is not whole, "" when it is or nothing is known.
  std::string problem;
};

// Reads the box, chunk or element sizes of MP4/MOV (ISO 14496-12), AVI (RIFF) and Matroska/WebM
// (EBML). Other formats: no opinion.
ContainerState InspectContainer(const std::filesystem::path& path);

// What is wrong with the bytes of a PNG (chunks and their CRC) or JPEG (end marker), "" when
// nothing; other formats: "".
std::string InspectPicture(std::string_view bytes);

}  // namespace v2r
