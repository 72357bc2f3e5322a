// Environment steps a second without pictures, beside the limit: bare mj_step on as many threads
// with nothing in between, on the same model, number of simulations and mean length of an episode.
#pragma once

#include <string>

#include "core/measure.h"

namespace v2r {

struct StepRate {
  Rate bare, ours;      // control steps of single environments
  int64_t episode = 0;  // steps, mean under random actions
};

// Both sides in `turns` turns of `seconds` each; random actions. UserError: unknown id, or a task
// that needs keys of its own (mjcf).
StepRate MeasureStepRate(const std::string& id, int envs, int threads, int turns, double seconds);

}  // namespace v2r
