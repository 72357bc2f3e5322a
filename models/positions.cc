#include "models/positions.h"

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

// positions [M] -> [M,dim]: sin of all frequencies, then cos.
torch::Tensor SinCos1d(const torch::Tensor& positions, int64_t dim) {
  const auto exponent = torch::arange(dim / 2, torch::kDouble) / (static_cast<double>(dim) / 2.0);
  const auto angles = torch::outer(positions, torch::pow(10000.0, -exponent));
  return torch::cat({angles.sin(), angles.cos()}, 1);
}

// A table is the rows of a square grid, with or without one for the cls token before them.
int64_t SideOf(const torch::Tensor& table) {
  V2R_CHECK(table.dim() == 3 && table.size(0) == 1, "table [{}]", fmt::join(table.sizes(), ", "));
  const auto side = static_cast<int64_t>(std::floor(std::sqrt(static_cast<double>(table.size(1)))));
  V2R_CHECK(table.size(1) - side * side <= 1, "{} rows", table.size(1));
  return side;
}

// The patches' rows as a picture [1,D,G,G].
torch::Tensor AsPicture(const torch::Tensor& table, int64_t side) {
  return table.slice(1, table.size(1) - side * side)
      .reshape({1, side, side, table.size(2)})
      .permute({0, 3, 1, 2});
}

torch::Tensor WithCls(const torch::Tensor& table, int64_t side, const torch::Tensor& picture,
                      int64_t rows, int64_t cols) {
  V2R_CHECK(picture.size(2) == rows && picture.size(3) == cols, "grid {}x{} became {}x{}", rows,
            cols, picture.size(2), picture.size(3));
  const auto patches = picture.permute({0, 2, 3, 1}).reshape({1, rows * cols, table.size(2)});
  return torch::cat({table.slice(1, 0, table.size(1) - side * side), patches}, 1);
}

}  // namespace

torch::Tensor SinCosTable(int64_t dim, int64_t rows, int64_t cols, const std::string& layout,
                          bool cls_row) {
  if (dim % 4 != 0) ThrowUser("sine-cosine positions need a multiple of 4 channels, not {}", dim);
  const std::vector<std::string> known = {"mae", "mocov3"};
  if (layout != "mae" && layout != "mocov3") {
    ThrowUser("unknown layout of positions '{}'{} (known: {})", layout, DidYouMean(layout, known),
              Join(known, ", "));
  }
  const auto row = torch::arange(rows, torch::kDouble).repeat_interleave(cols);  // of each patch
  const auto col = torch::arange(cols, torch::kDouble).repeat({rows});
  const bool column_first = layout == "mae";
  auto table = torch::cat(
      {SinCos1d(column_first ? col : row, dim / 2), SinCos1d(column_first ? row : col, dim / 2)},
      1);
  if (cls_row) table = torch::cat({torch::zeros({1, dim}, torch::kDouble), table});
  return table.to(torch::kFloat).unsqueeze(0);
}

torch::Tensor InterpolatePositionsDino(const torch::Tensor& table, int64_t rows, int64_t cols) {
  const int64_t side = SideOf(table);
  if (rows == side && cols == side) return table;
  const std::vector<double> scales = {
      (static_cast<double>(rows) + 0.1) / static_cast<double>(side),
      (static_cast<double>(cols) + 0.1) / static_cast<double>(side)};
  return WithCls(table, side,
                 at::upsample_bicubic2d(AsPicture(table, side), at::OptionalIntArrayRef(),
                                        /*align_corners=*/false, at::ArrayRef<double>(scales)),
                 rows, cols);
}

torch::Tensor InterpolatePositionsDeit(const torch::Tensor& table, int64_t rows, int64_t cols) {
  const int64_t side = SideOf(table);
  if (rows == side && cols == side) return table;
  return WithCls(table, side, at::upsample_bicubic2d(AsPicture(table, side), {rows, cols}, false),
                 rows, cols);
}

}  // namespace v2r
