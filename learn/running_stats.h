// Running statistics in double, with Gymnasium's semantics (wrappers/utils.py RunningMeanStd,
// NormalizeReward).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/safetensors.h"

namespace v2r {

// Mean and population variance of rows [dim]; starts at mean 0, variance 1, count 1e-4 (`epsilon`)
// and merges batches by Chan et al.
class RunningMeanStd {
 public:
  explicit RunningMeanStd(int64_t dim = 1, double epsilon = 1e-4);
  // batch [n,dim], row-major; nothing happens for n = 0.
  void Update(std::span<const double> batch);
  void Update(std::span<const float> batch);
  // out = (x - mean) / sqrt(var + epsilon), clipped to +-clip; x and out [n,dim], may be the same
  // memory.
  void Normalize(std::span<const float> x, std::span<float> out, double epsilon = 1e-8,
                 double clip = 0) const;

  int64_t dim() const { return static_cast<int64_t>(mean_.size()); }
  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& var() const { return var_; }
  double count() const { return count_; }

  StateDict Save() const;  // "mean", "var", "count"
  void Load(const StateDict& state,
            const std::string& what);  // UserError naming what is missing or wrongly sized

 private:
  template <typename T>
  void Merge(std::span<const T> batch);
  std::vector<double> mean_, var_;
  double count_ = 0;
};

// Divides rewards by the running deviation of the discounted return, no mean subtracted. The return
// of an environment is multiplied by (1 - terminated) before the reward is added: a truncation does
// not reset it (Gymnasium's property).
class RewardNormalizer {
 public:
  RewardNormalizer(int64_t num_envs, double gamma, double epsilon = 1e-8, double clip = 0);
  // One step of all environments: rewards, terminated, out [N]. clip > 0 clips the result to
  // +-clip.
  void Step(std::span<const float> rewards, std::span<const uint8_t> terminated,
            std::span<float> out);
  void Step(std::span<const double> rewards, std::span<const uint8_t> terminated,
            std::span<double> out);
  // 1 / sqrt(var + epsilon) of the discounted return: the factor on rewards at present.
  double Scale() const;
  const RunningMeanStd& stats() const { return stats_; }

  StateDict Save() const;  // "returns", "stats.*"
  void Load(const StateDict& state, const std::string& what);

 private:
  template <typename T>
  void StepOf(std::span<const T> rewards, std::span<const uint8_t> terminated, std::span<T> out);
  double gamma_, epsilon_, clip_;
  std::vector<double> returns_;
  RunningMeanStd stats_;
};

}  // namespace v2r
