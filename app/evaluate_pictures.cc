#include "app/evaluate_pictures.h"

#include <algorithm>
#include <vector>

#include "app/report.h"
#include "core/error.h"
#include "core/files.h"
#include "media/draw.h"
#include "media/video.h"

namespace v2r {
namespace {

constexpr int64_t kNeighbours = 8;
constexpr int kCell = 96, kFrame = 3, kGap = 12;
constexpr Color kSame = {58, 154, 91}, kOther = {176, 65, 62}, kQuery = {70, 70, 70};
constexpr int64_t kMaxPoints = 2000;
constexpr size_t kMaxLegend = 20;
constexpr double kWidth = 640, kHeight = 480, kMargin = 20, kLegend = 130;

// Picture i of a part, enlarged or shrunk to a cell by the nearest pixel.
Image Cell(const LabelledFrames& part, int64_t i) {
  const torch::Tensor frame = part.clips.clips[part.clip[i]].frames[part.frame[i]].contiguous();
  const int64_t height = frame.size(0), width = frame.size(1);
  const uint8_t* from = frame.const_data_ptr<uint8_t>();
  Image cell(kCell, kCell);
  for (int64_t y = 0; y < kCell; ++y) {
    for (int64_t x = 0; x < kCell; ++x) {
      const uint8_t* pixel = from + ((y * height / kCell) * width + x * width / kCell) * 3;
      std::copy(pixel, pixel + 3, cell.pixels.data() + (y * kCell + x) * 3);
    }
  }
  return cell;
}

void PutCell(Image& image, const LabelledFrames& part, int64_t i, int x, int y, Color frame) {
  FillRect(image, x, y, kCell + 2 * kFrame, kCell + 2 * kFrame, frame);
  Paste(image, Cell(part, i).view(), x + kFrame, y + kFrame);
}

// Evenly around the circle of hues, light and dark in turn.
std::string ColourOf(int64_t target, int64_t classes) {
  return fmt::format("hsl({:.0f},65%,{}%)",
                     360.0 * static_cast<double>(target) / static_cast<double>(classes),
                     target % 2 == 0 ? 42 : 60);
}

}  // namespace

void WriteNeighbours(const std::filesystem::path& path, const LabelledData& data,
                     const torch::Tensor& train, const torch::Tensor& test, int64_t rows) {
  rows = std::min(rows, test.size(0));
  std::vector<int64_t> queries;
  for (int64_t r = 0; r < rows; ++r) queries.push_back(r * test.size(0) / rows);
  const auto nearest =
      NearestRows(train, test.index_select(0, torch::tensor(queries)), kNeighbours);
  const int step = kCell + 2 * kFrame + 2;
  const auto columns = static_cast<int>(nearest.size(1));
  Image image(static_cast<int>(rows) * step, (columns + 1) * step + kGap);
  std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{255});
  const int64_t* train_target = data.train.targets.const_data_ptr<int64_t>();
  const int64_t* test_target = data.test.targets.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < rows; ++r) {
    const int y = static_cast<int>(r) * step;
    PutCell(image, data.test, queries[r], 0, y, kQuery);
    for (int c = 0; c < columns; ++c) {
      const auto row = nearest[r][c].item<int64_t>();
      const bool same = train_target[row] == test_target[queries[r]];
      PutCell(image, data.train, row, (c + 1) * step + kGap, y, same ? kSame : kOther);
    }
  }
  WritePng(path, image.view());
}

torch::Tensor ScatterRows(const torch::Tensor& test) {
  const int64_t count = test.size(0);
  return test.slice(0, 0, count, (count + kMaxPoints - 1) / kMaxPoints);
}

void WriteScatter(const std::filesystem::path& path, const LabelledData& data,
                  const torch::Tensor& plane) {
  const auto targets = ScatterRows(data.test.targets).contiguous();
  V2R_CHECK_EQ(targets.size(0), plane.size(0));
  const auto low = std::get<0>(plane.min(0)), high = std::get<0>(plane.max(0));
  const auto span = (high - low).clamp_min(1e-12);
  const auto at = ((plane - low) / span).contiguous();
  const float* point = at.const_data_ptr<float>();
  const auto classes = static_cast<int64_t>(data.classes.size());
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {} {}' xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' "
      "font-size='12'><rect width='100%' height='100%' fill='#fff'/>\n",
      kWidth + kLegend, kHeight);
  for (int64_t i = 0; i < at.size(0); ++i) {
    const int64_t target = targets.const_data_ptr<int64_t>()[i];
    svg += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}' fill-opacity='0.75'/>\n",
                       kMargin + point[2 * i] * (kWidth - 2 * kMargin),
                       kHeight - kMargin - point[2 * i + 1] * (kHeight - 2 * kMargin),
                       ColourOf(target, classes));
  }
  for (size_t k = 0; k < std::min(data.classes.size(), kMaxLegend); ++k) {
    const double y = kMargin + 18.0 * static_cast<double>(k);
    svg += fmt::format(
        "<circle cx='{}' cy='{:.0f}' r='5' fill='{}'/><text x='{}' y='{:.0f}'>{}</text>\n", kWidth,
        y, ColourOf(static_cast<int64_t>(k), classes), kWidth + 10, y + 4,
        EscapeXml(data.classes[k]));
  }
  WriteFileAtomic(path, svg + "</svg>\n");
}

}  // namespace v2r
