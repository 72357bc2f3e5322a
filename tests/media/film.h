// Films and folders made by code.
#pragma once

#include <torch/torch.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/frame.h"
#include "media/video.h"

namespace v2r {

// A folder that is gone when the test is.
class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            ("v2r_media_" + std::to_string(getpid()) + "_" + std::to_string(counter.fetch_add(1)));
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  // Everything that lies in it, hidden files too.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

// Picture t of a film: a soft background, a disc that goes to the right, a bar that marks t mod 8.
inline Image FilmFrame(int height, int width, int t) {
  Image image(height, width);
  const double cx = width * (0.2 + 0.02 * t), cy = height * (0.5 + 0.2 * std::sin(0.3 * t)),
               r = 0.12 * height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* pixel = image.pixels.data() + (static_cast<size_t>(y) * width + x) * 3;
      const bool disc = std::hypot(x - cx, y - cy) < r;
      const bool bar = y > height * 7 / 8 && x * 8 / width == t % 8;
      pixel[0] = disc ? 230 : bar ? 30 : static_cast<uint8_t>(60 + 60 * x / width);
      pixel[1] = disc ? 60 : bar ? 200 : static_cast<uint8_t>(90 + 40 * y / height);
      pixel[2] = disc ? 40 : bar ? 90 : 120;
    }
  }
  return image;
}

inline void WriteFilm(const std::filesystem::path& path, int frames, int height = 64,
                      int width = 64, double fps = 25) {
  std::filesystem::create_directories(path.parent_path());
  VideoWriter writer(path, fps, height, width);
  for (int t = 0; t < frames; ++t) writer.Write(FilmFrame(height, width, t).view());
  writer.Close();
}

// Copies the first `share` of a file over itself.
inline void CutOffFile(const std::filesystem::path& path, double share) {
  std::filesystem::resize_file(
      path, static_cast<uintmax_t>(static_cast<double>(std::filesystem::file_size(path)) * share));
}

inline double Rmse(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    const double d = static_cast<double>(a.pixels[i]) - b.pixels[i];
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.pixels.size()));
}

// The message of the UserError that `action` throws, "" when it throws none.
template <typename Action>
std::string UserErrorOf(Action action) {
  try {
    action();
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

}  // namespace v2r
