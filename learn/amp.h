// Mixed precision: networks compute in a short type, weights and losses stay float (Micikevicius et
// al. 2018).
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/options.h"
#include "core/safetensors.h"

namespace v2r {

// While it lives, what torch lists for autocast (convolutions, matrix products, attention) computes
// in `precision` on `device`: "bf16" or "fp16"; "fp32" leaves everything as it is. Of this thread
// alone. Weights that it has cast are forgotten at its end.
class Autocast {
 public:
  Autocast(const std::string& precision, const torch::Device& device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const bool active_;
  const torch::DeviceType device_;
  bool was_enabled_ = false;
  torch::ScalarType was_dtype_ = torch::kFloat;
};

// Defaults as torch.amp.GradScaler's.
struct GradScalerOptions {
  double init_scale = 65536;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  int64_t growth_interval = 2000;

  template <typename V>
  void Fields(V& v) {
    v("init_scale", init_scale, "factor of the loss at the start", AtLeast(1e-4));
    v("growth_factor", growth_factor, "the scale grows by it", AtLeast(1));
    v("backoff_factor", backoff_factor, "and shrinks by it after a step that overflowed",
      InRange(0.001, 1));
    v("growth_interval", growth_interval, "steps in a row without overflow before it grows",
      AtLeast(1));
  }
};

// Dynamic loss scaling for fp16, whose small gradients else vanish: the loss is multiplied by a
// scale before backward, the gradients are divided by it before the step, and a step with an
// infinite or NaN gradient is left out (torch/amp/grad_scaler.py).
class GradScaler {
 public:
  GradScaler(const GradScalerOptions& options, const torch::Device& device);
  // A scalar, with gradient.
  torch::Tensor Scale(const torch::Tensor& loss) const { return loss * scale_; }
  // Divides the gradients of `parameters` by the scale, in place. false: one is not finite, and the
  // optimiser's step has to be left out.
  bool Unscale(const std::vector<torch::Tensor>& parameters);
  // Once a step, after it: grows or shrinks the scale. UserError: it has fallen below 1e-4, as no
  // step had finite gradients.
  void Update();
  double scale() const { return scale_.item<double>(); }

  StateDict Save() const;
  void Load(const StateDict& state, const std::string& what);

 private:
  GradScalerOptions options_;
  torch::Tensor scale_, growth_tracker_, found_inf_;  // [1] float, int32, float
};

}  // namespace v2r
