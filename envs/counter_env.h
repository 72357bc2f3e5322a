// A vector env without MuJoCo whose pictures show where one is: for tests of what belongs to which
// step.
#pragma once

#include <cstdint>
#include <memory>

#include "envs/vector_env.h"

namespace v2r {

// Every pixel of a picture is (step of the episode, env, episode), each modulo 256; obs [N,2] =
// step, episode; env_reward = step. Episodes are truncated after `episode_steps` steps, same-step
// autoreset; `success` on that last step. Actions [N,1] in [-1,1] do nothing. Pictures are size x
// size. The expert acts with 1 (kGood), 0 (kNearMiss) or at random; TrueDistance = steps that are
// left.
std::unique_ptr<VectorEnv> MakeCounterEnv(int64_t num_envs, int64_t episode_steps, int64_t size);

}  // namespace v2r
