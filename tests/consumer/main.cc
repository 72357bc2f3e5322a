// Uses an installed v2r as a program of its own would: random numbers, and a task behind the vector
// environment. Exit status 0 where both behave as documented.
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "core/rng.h"
#include "envs/make.h"

namespace {

bool RngRepeats() {
  v2r::Rng first(7);
  v2r::Rng again(7);
  return first.NextU64() == again.NextU64() &&
         first.Fork("env", 0).NextU64() != first.Fork("env", 1).NextU64();
}

bool EnvSteps() {
  v2r::EnvOptions options;
  options.num_envs = 2;
  options.render = false;
  const std::unique_ptr<v2r::VectorEnv> env = v2r::MakeVectorEnv(options);
  env->Reset(1);
  const std::vector<float> still(static_cast<size_t>(2 * env->Spec().act_dim), 0.0f);
  const v2r::BatchView batch = env->Step(still);
  if (batch.obs.size() != static_cast<size_t>(2 * env->Spec().obs_dim)) return false;
  for (const float value : batch.obs) {
    if (!std::isfinite(value)) return false;
  }
  return std::isfinite(batch.reward[0]) && batch.episode_step[1] == 1;
}

}  // namespace

int main() {
  const bool rng = RngRepeats();
  const bool env = EnvSteps();
  std::printf("rng %s, env %s\n", rng ? "good" : "wrong", env ? "good" : "wrong");
  return rng && env ? 0 : 1;
}
