#include "core/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace v2r {
namespace {

double Triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic convolution kernel.
double Cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// The mean over [o * scale, (o + 1) * scale), partly covered pixels by their share.
void AreaRow(double o, double scale, int64_t length, float* row) {
  const double from = o * scale;
  const double to = std::min<double>(from + scale, static_cast<double>(length));
  for (auto i = static_cast<int64_t>(from); i < length && i < to; ++i) {
    const double covered = std::min<double>(i + 1, to) - std::max<double>(i, from);
    if (covered > 1e-9) row[i] = static_cast<float>(covered / (to - from));
  }
}

// Filter of radius `radius` (in units of the coarser grid), cut at the ends of the line and
// normalised.
template <typename Filter>
void AntialiasedRow(double o, double scale, int64_t length, double radius, Filter filter,
                    float* row) {
  const double stretch = std::max(scale, 1.0);
  const double center = (o + 0.5) * scale;
  const auto from = std::max<int64_t>(0, static_cast<int64_t>(center - radius * stretch + 0.5));
  const auto to = std::min<int64_t>(length, static_cast<int64_t>(center + radius * stretch + 0.5));
  double sum = 0;
  for (int64_t i = from; i < to; ++i) sum += filter((i + 0.5 - center) / stretch);
  for (int64_t i = from; i < to; ++i) {
    row[i] = static_cast<float>(filter((i + 0.5 - center) / stretch) / sum);
  }
}

// Interpolation between the pixels around the sampling point, the edge pixel repeated.
template <typename Filter>
void PointRow(double o, double scale, int64_t length, int64_t radius, Filter filter, float* row) {
  const double at = (o + 0.5) * scale - 0.5;
  const auto base = static_cast<int64_t>(std::floor(at));
  for (int64_t i = base - radius + 1; i <= base + radius; ++i) {
    row[std::clamp<int64_t>(i, 0, length - 1)] += static_cast<float>(filter(i - at));
  }
}

// The nonzero part of each row of a weight matrix.
struct Taps {
  std::vector<int64_t> first, count;
  std::vector<float> weights;  // `stride` a row
  int64_t stride = 0;

  explicit Taps(const torch::Tensor& matrix) {
    const int64_t rows = matrix.size(0), columns = matrix.size(1);
    const float* data = matrix.data_ptr<float>();
    for (int64_t r = 0; r < rows; ++r) {
      int64_t from = 0, to = columns;
      while (from < to && data[r * columns + from] == 0) ++from;
      while (to > from && data[r * columns + to - 1] == 0) --to;
      first.push_back(from);
      count.push_back(to - from);
      stride = std::max(stride, to - from);
    }
    weights.resize(rows * stride);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(data + r * columns + first[r], count[r], weights.begin() + r * stride);
    }
  }
};

// line[i] += weight * source[i]: the inner loop of shrinking, so worth the compiler's vectors (-O2
// alone does not use them).
__attribute__((optimize("O3"))) void AddRow(float* __restrict line,
                                            const uint8_t* __restrict source, float weight,
                                            int64_t n) {
  for (int64_t i = 0; i < n; ++i) line[i] += weight * static_cast<float>(source[i]);
}

void ResizeOne(const uint8_t* in, int64_t in_width, uint8_t* out, int64_t out_width,
               const Taps& rows, const Taps& columns, std::vector<float>& line) {
  const auto height = static_cast<int64_t>(rows.first.size());
  for (int64_t y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (int64_t k = 0; k < rows.count[y]; ++k) {
      AddRow(line.data(), in + (rows.first[y] + k) * in_width * 3,
             rows.weights[y * rows.stride + k], in_width * 3);
    }
    for (int64_t x = 0; x < out_width; ++x) {
      const float* source = line.data() + columns.first[x] * 3;
      const float* weight = columns.weights.data() + x * columns.stride;
      float red = 0, green = 0, blue = 0;
      for (int64_t k = 0; k < columns.count[x]; ++k, source += 3) {
        red += weight[k] * source[0];
        green += weight[k] * source[1];
        blue += weight[k] * source[2];
      }
      for (const float value : {red, green, blue}) {
        *out++ = static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
      }
    }
  }
}

}  // namespace

torch::Tensor ResizeWeights(int64_t input, int64_t output, const std::string& mode, int64_t begin,
                            int64_t length) {
  if (length < 0) length = input - begin;
  V2R_CHECK(input > 0 && output > 0 && begin >= 0 && length > 0 && begin + length <= input,
            "input {} output {} begin {} length {}", input, output, begin, length);
  auto matrix = torch::zeros({output, input}, torch::kFloat);
  const double scale = static_cast<double>(length) / static_cast<double>(output);
  for (int64_t o = 0; o < output; ++o) {
    float* row = matrix.data_ptr<float>() + o * input + begin;
    const auto at = static_cast<double>(o);
    if (mode == "area" && scale >= 1) {
      AreaRow(at, scale, length, row);
    } else if (mode == "area" || mode == "bilinear") {
      AntialiasedRow(at, scale, length, 1.0, Triangle, row);
    } else if (mode == "bicubic") {
      AntialiasedRow(
          at, scale, length, 2.0, [](double x) { return Cubic(x, -0.5); }, row);
    } else if (mode == "bilinear_point") {
      PointRow(at, scale, length, 1, Triangle, row);
    } else if (mode == "nearest") {
      row[std::min(length - 1, static_cast<int64_t>((at + 0.5) * scale))] = 1;
    } else if (mode == "bicubic_point") {
      PointRow(
          at, scale, length, 2, [](double x) { return Cubic(x, -0.75); }, row);
    } else {
      ThrowUser(
          "unknown resize mode '{}' (known: area, bilinear, bicubic, nearest, bilinear_point, "
          "bicubic_point)",
          mode);
    }
  }
  return matrix;
}

torch::Tensor ResizeFrames(const torch::Tensor& frames, int64_t height, int64_t width,
                           const std::string& mode) {
  V2R_CHECK(frames.dim() == 4 && frames.size(3) == 3 && frames.scalar_type() == torch::kUInt8,
            "frames must be uint8 [B,H,W,3]");
  if (mode != "area" && mode != "bilinear" && mode != "bicubic" && mode != "nearest") {
    ThrowUser("unknown resize mode '{}' (known: area, bilinear, bicubic, nearest)", mode);
  }
  const int64_t batch = frames.size(0), in_height = frames.size(1), in_width = frames.size(2);
  if (in_height == height && in_width == width) return frames;
  const auto row_weights = ResizeWeights(in_height, height, mode);
  const auto column_weights = ResizeWeights(in_width, width, mode);
  const torch::NoGradGuard no_grad;
  if (!frames.is_cpu()) {
    const auto lines =
        torch::matmul(row_weights.to(frames.device()),
                      frames.reshape({batch, in_height, in_width * 3}).to(torch::kFloat))
            .view({batch, height, in_width, 3});
    const auto pixels = torch::matmul(column_weights.to(frames.device()), lines);  // [B,h,w,3]
    return pixels.round_().clamp_(0, 255).to(torch::kUInt8);
  }
  const auto source = frames.contiguous();
  auto result = torch::empty({batch, height, width, 3}, torch::kUInt8);
  const Taps rows(row_weights), columns(column_weights);
  std::vector<float> line(static_cast<size_t>(in_width * 3));
  for (int64_t b = 0; b < batch; ++b) {
    ResizeOne(source.data_ptr<uint8_t>() + b * in_height * in_width * 3, in_width,
              result.data_ptr<uint8_t>() + b * height * width * 3, width, rows, columns, line);
  }
  return result;
}

}  // namespace v2r
