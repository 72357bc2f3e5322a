#include "reward/render_gap.h"

#include "core/error.h"

namespace v2r {

double RenderGap(const DistanceFn& distance, const torch::Tensor& film,
                 const torch::Tensor& rendered, const torch::Tensor& next_film) {
  V2R_CHECK(film.sizes() == rendered.sizes() && film.sizes() == next_film.sizes());
  const double step = distance(film, next_film).mean().item<double>();
  if (!(step > 0))
    ThrowUser(
        "render gap: the film's adjacent frames are all equal, there is no step to measure by");
  return distance(film, rendered).mean().item<double>() / step;
}

}  // namespace v2r
