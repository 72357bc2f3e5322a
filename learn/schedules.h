// Schedules of learning rate, momentum and the like. Steps count from 0.
#pragma once

#include <cstdint>
#include <string>

namespace v2r {

// Factor in [0,1] on the base value at `step` of `total`: linear warm-up from 0 over `warmup` steps
// (factor step / warmup), then kind "constant"; "linear" to 0 at `total`; "cosine": 1/2 (1 + cos(pi
// (step - warmup) / (total - warmup))), 0 from `total` on. UserError: unknown kind.
double ScheduleFactor(const std::string& kind, int64_t step, int64_t total, int64_t warmup = 0);

// A value that goes from `start` to `end` over `total` steps: "constant", "linear", "cosine" (end -
// (end - start)/2 (1 + cos(pi s/S))): MoCo v3's and DINO's EMA momentum, DINO's weight decay and
// temperatures.
double Anneal(const std::string& kind, double start, double end, int64_t step, int64_t total);

// SimCLR's schedule (tf2/model.py WarmUpAndCosineDecay): base rate scaled by the batch size,
// warm-up in epochs, cosine to 0.
struct SimclrSchedule {
  double base_lr = 0.3;
  int64_t num_examples = 0;
  int64_t batch_size = 4096;
  int64_t epochs = 100;
  double warmup_epochs = 10;
  std::string scaling = "linear";  // "linear": base * B / 256; "sqrt": base * sqrt(B)

  int64_t total_steps() const { return num_examples * epochs / batch_size + 1; }
  int64_t warmup_steps() const;
  double PeakLearningRate() const;  // UserError: unknown scaling
  double LearningRate(int64_t step) const;
};

}  // namespace v2r
