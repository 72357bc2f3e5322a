#include "learn/schedules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace v2r {
namespace {

// 1 at progress 0, 0 at progress 1.
double HalfCosine(double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); }

double Falling(const std::string& kind, double progress) {
  if (kind == "constant") return 1;
  if (kind == "linear") return 1 - progress;
  if (kind == "cosine") return HalfCosine(progress);
  ThrowUser("unknown schedule '{}' (known: constant, linear, cosine)", kind);
}

double Progress(int64_t step, int64_t total) {
  if (total <= 0) return 1;
  return std::clamp(static_cast<double>(step) / static_cast<double>(total), 0.0, 1.0);
}

}  // namespace

double ScheduleFactor(const std::string& kind, int64_t step, int64_t total, int64_t warmup) {
  const double after = Falling(kind, Progress(step - warmup, total - warmup));
  return step < warmup ? static_cast<double>(step) / static_cast<double>(warmup) : after;
}

double Anneal(const std::string& kind, double start, double end, int64_t step, int64_t total) {
  return end - (end - start) * Falling(kind, Progress(step, total));
}

int64_t SimclrSchedule::warmup_steps() const {
  return static_cast<int64_t>(
      std::floor(std::nearbyint(warmup_epochs * static_cast<double>(num_examples)) /
                 static_cast<double>(batch_size)));
}

double SimclrSchedule::PeakLearningRate() const {
  if (scaling == "linear") return base_lr * static_cast<double>(batch_size) / 256.0;
  if (scaling == "sqrt") return base_lr * std::sqrt(static_cast<double>(batch_size));
  ThrowUser("unknown learning-rate scaling '{}' (known: linear, sqrt)", scaling);
}

double SimclrSchedule::LearningRate(int64_t step) const {
  return PeakLearningRate() * ScheduleFactor("cosine", step, total_steps(), warmup_steps());
}

}  // namespace v2r
