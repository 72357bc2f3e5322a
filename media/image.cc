#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "media/container.h"
#include "media/opencv_setup.h"
#include "media/video.h"

namespace v2r {

Image ReadImage(const std::filesystem::path& path) {
  SetUpOpenCv();
  std::string bytes = ReadFile(path);
  if (bytes.empty()) ThrowUser("{}: the file is empty (0 bytes)", path.string());
  if (const std::string problem = InspectPicture(bytes); !problem.empty()) {
    ThrowUser("{}: cannot be read as a picture: {}", path.string(), problem);
  }
  cv::Mat bgr;
  std::string reason = "no picture format that OpenCV knows, or damaged";
  try {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1, bytes.data());
    bgr = cv::imdecode(buffer, cv::IMREAD_COLOR);
  } catch (const cv::Exception& e) {
    reason = e.err;
  }
  if (bgr.empty()) ThrowUser("{}: cannot be read as a picture: {}", path.string(), reason);
  Image image(bgr.rows, bgr.cols);
  cv::Mat rgb(bgr.rows, bgr.cols, CV_8UC3, image.pixels.data());
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return image;
}

std::string EncodePng(ImageView image) {
  SetUpOpenCv();
  V2R_CHECK(image.data != nullptr && image.height > 0 && image.width > 0, "{}x{}", image.height,
            image.width);
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.data));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  V2R_CHECK(cv::imencode(".png", bgr, bytes), "PNG encoder refused {}x{}", image.height,
            image.width);
  return {bytes.begin(), bytes.end()};
}

void WritePng(const std::filesystem::path& path, ImageView image) {
  WriteFileAtomic(path, EncodePng(image));
}

}  // namespace v2r
