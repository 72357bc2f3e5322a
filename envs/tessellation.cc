#include "envs/tessellation.h"

#include <algorithm>
#include <cmath>

namespace v2r {
namespace {

int Pieces(int model, int at_64, int plenty, int multiple, int pixels) {
  const int own = std::min(model, at_64);
  const double wanted = own * std::sqrt(std::max(1.0, pixels / 64.0));
  const int rounded = multiple * static_cast<int>(std::ceil(wanted / multiple));
  return std::clamp(rounded, own, std::max(model, plenty));
}

}  // namespace

void Tessellate(mjModel& model, int pixels) {
  model.vis.quality.numslices = Pieces(model.vis.quality.numslices, 16, 28, 4, pixels);
  model.vis.quality.numstacks = Pieces(model.vis.quality.numstacks, 8, 16, 2, pixels);
}

}  // namespace v2r
