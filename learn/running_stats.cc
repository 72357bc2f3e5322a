#include "learn/running_stats.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace v2r {
namespace {

Blob Doubles(const std::vector<double>& values) {
  return Blob::Of<double>(std::span<const double>(values));
}

std::vector<double> ReadDoubles(const StateDict& state, const std::string& name, size_t size,
                                const std::string& what) {
  const Blob& blob = Require(state, name, what);
  if (blob.dtype != DType::kF64 || blob.numel() != static_cast<int64_t>(size)) {
    ThrowUser("{}: '{}' should hold {} F64 values, holds {} {}", what, name, size, blob.numel(),
              Name(blob.dtype));
  }
  const auto values = blob.as<double>();
  return {values.begin(), values.end()};
}

}  // namespace

RunningMeanStd::RunningMeanStd(int64_t dim, double epsilon)
    : mean_(static_cast<size_t>(dim), 0.0), var_(static_cast<size_t>(dim), 1.0), count_(epsilon) {
  V2R_CHECK_GT(dim, 0);
}

template <typename T>
void RunningMeanStd::Merge(std::span<const T> batch) {
  const size_t dim = mean_.size();
  V2R_CHECK_EQ(batch.size() % dim, 0u);
  const size_t rows = batch.size() / dim;
  if (rows == 0) return;
  const auto n = static_cast<double>(rows);
  const double total = count_ + n;
  for (size_t d = 0; d < dim; ++d) {
    double sum = 0;
    for (size_t r = 0; r < rows; ++r) sum += static_cast<double>(batch[r * dim + d]);
    const double mean = sum / n;
    double squares = 0;
    for (size_t r = 0; r < rows; ++r) {
      const double offset = static_cast<double>(batch[r * dim + d]) - mean;
      squares += offset * offset;
    }
    const double delta = mean - mean_[d];
    mean_[d] += delta * n / total;
    var_[d] = (var_[d] * count_ + squares + delta * delta * count_ * n / total) / total;
  }
  count_ = total;
}

void RunningMeanStd::Update(std::span<const double> batch) { Merge(batch); }
void RunningMeanStd::Update(std::span<const float> batch) { Merge(batch); }

void RunningMeanStd::Normalize(std::span<const float> x, std::span<float> out, double epsilon,
                               double clip) const {
  const size_t dim = mean_.size();
  V2R_CHECK(x.size() == out.size() && x.size() % dim == 0, "{} values into {}, dim {}", x.size(),
            out.size(), dim);
  for (size_t d = 0; d < dim; ++d) {
    const double scale = 1.0 / std::sqrt(var_[d] + epsilon);
    for (size_t i = d; i < x.size(); i += dim) {
      double value = (static_cast<double>(x[i]) - mean_[d]) * scale;
      if (clip > 0) value = std::clamp(value, -clip, clip);
      out[i] = static_cast<float>(value);
    }
  }
}

StateDict RunningMeanStd::Save() const {
  return {
      {"mean", Doubles(mean_)}, {"var", Doubles(var_)}, {"count", Blob::Scalar<double>(count_)}};
}

void RunningMeanStd::Load(const StateDict& state, const std::string& what) {
  auto mean = ReadDoubles(state, "mean", mean_.size(), what);
  auto var = ReadDoubles(state, "var", var_.size(), what);
  count_ = ReadDoubles(state, "count", 1, what)[0];
  mean_ = std::move(mean);
  var_ = std::move(var);
}

RewardNormalizer::RewardNormalizer(int64_t num_envs, double gamma, double epsilon, double clip)
    : gamma_(gamma), epsilon_(epsilon), clip_(clip), returns_(static_cast<size_t>(num_envs), 0.0) {}

template <typename T>
void RewardNormalizer::StepOf(std::span<const T> rewards, std::span<const uint8_t> terminated,
                              std::span<T> out) {
  const size_t n = returns_.size();
  V2R_CHECK(rewards.size() == n && terminated.size() == n && out.size() == n,
            "{} rewards, {} flags, {} results, {} environments", rewards.size(), terminated.size(),
            out.size(), n);
  for (size_t i = 0; i < n; ++i) {
    returns_[i] =
        returns_[i] * gamma_ * (terminated[i] ? 0.0 : 1.0) + static_cast<double>(rewards[i]);
  }
  stats_.Update(std::span<const double>(returns_));
  const double scale = Scale();
  for (size_t i = 0; i < n; ++i) {
    double value = static_cast<double>(rewards[i]) * scale;
    if (clip_ > 0) value = std::clamp(value, -clip_, clip_);
    out[i] = static_cast<T>(value);
  }
}

void RewardNormalizer::Step(std::span<const float> rewards, std::span<const uint8_t> terminated,
                            std::span<float> out) {
  StepOf(rewards, terminated, out);
}
void RewardNormalizer::Step(std::span<const double> rewards, std::span<const uint8_t> terminated,
                            std::span<double> out) {
  StepOf(rewards, terminated, out);
}

double RewardNormalizer::Scale() const { return 1.0 / std::sqrt(stats_.var()[0] + epsilon_); }

StateDict RewardNormalizer::Save() const {
  StateDict state = {{"returns", Doubles(returns_)}};
  v2r::Merge(state, "stats", stats_.Save());
  return state;
}

void RewardNormalizer::Load(const StateDict& state, const std::string& what) {
  auto returns = ReadDoubles(state, "returns", returns_.size(), what);
  stats_.Load(Under(state, "stats"), what);
  returns_ = std::move(returns);
}

}  // namespace v2r
