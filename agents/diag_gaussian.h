// The diagonal normal distribution of a policy: independent action components, a log standard
// deviation that does not depend on the state.
#pragma once

#include <cstdint>
#include <span>

#include "core/rng.h"

namespace v2r {

// sum_a log N(action_a; mean_a, exp(log_std_a)^2). All spans [A].
double GaussianLogProb(std::span<const float> mean, std::span<const float> log_std,
                       std::span<const float> action);

// sum_a 1/2 + 1/2 log(2 pi) + log_std_a.
double GaussianEntropy(std::span<const float> log_std);

// action = mean + exp(log_std) * standard normal, drawn component by component.
void GaussianSample(std::span<const float> mean, std::span<const float> log_std, Rng& rng,
                    std::span<float> action);

// Adds weight * d log N / d mean to `grad_mean` [A] and weight * d log N / d log_std to
// `grad_log_std` [A].
void GaussianLogProbBackward(std::span<const float> mean, std::span<const float> log_std,
                             std::span<const float> action, double weight,
                             std::span<float> grad_mean, std::span<double> grad_log_std);

}  // namespace v2r
