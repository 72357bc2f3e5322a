#include "media/draw.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>

namespace v2r {
namespace {

cv::Mat Wrap(Image& image) { return cv::Mat(image.height, image.width, CV_8UC3, image.pixels.data()); }
cv::Scalar ToScalar(Color c) { return cv::Scalar(c[0], c[1], c[2]); }

}  // namespace

void FillRect(Image& image, int x, int y, int width, int height, Color color) {
  cv::Mat mat = Wrap(image);
  cv::rectangle(mat, cv::Rect(x, y, width, height), ToScalar(color), cv::FILLED);
}

void DrawText(Image& image, const std::string& text, int x, int y, double scale, Color color) {
  cv::Mat mat = Wrap(image);
  cv::putText(mat, text, cv::Point(x, y), cv::FONT_HERSHEY_SIMPLEX, scale, ToScalar(color), 1, cv::LINE_AA);
}

void DrawCurve(Image& image, std::span<const float> values, int64_t total, float low, float high, int x, int y,
               int width, int height, Color color) {
  cv::Mat mat = Wrap(image);
  const float range = high > low ? high - low : 1.0f;
  const auto point = [&](size_t i) {
    const float share = std::clamp((values[i] - low) / range, 0.0f, 1.0f);
    const double along = total > 1 ? static_cast<double>(i) / static_cast<double>(total - 1) : 0.0;
    return cv::Point(x + static_cast<int>(std::lround(along * (width - 1))),
                     y + height - 1 - static_cast<int>(std::lround(share * static_cast<float>(height - 1))));
  };
  for (size_t i = 1; i < values.size(); ++i) {
    if (std::isnan(values[i - 1]) || std::isnan(values[i])) continue;
    cv::line(mat, point(i - 1), point(i), ToScalar(color), 1, cv::LINE_AA);
  }
}

void Paste(Image& image, ImageView from, int x, int y) {
  const int left = std::max(0, x), right = std::min(image.width, x + from.width);
  if (right <= left) return;
  for (int row = std::max(0, -y); row < from.height && y + row < image.height; ++row) {
    std::memcpy(image.pixels.data() + (static_cast<size_t>(y + row) * image.width + left) * 3,
                from.data + (static_cast<size_t>(row) * from.width + (left - x)) * 3,
                static_cast<size_t>(right - left) * 3);
  }
}

}  // namespace v2r
