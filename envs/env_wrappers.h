// What Gymnasium does by wrappers around one environment, by keys of the config.
#pragma once

#include <memory>

#include "envs/env.h"
#include "envs/make.h"

namespace v2r {

// `env` as env.action_repeat, env.rescale_action and env.frame_stack ask, in that order from the
// inside to the outside:
// - action_repeat k: a step is k steps of the task with one action, fewer when the episode ends by
//   itself; rewards add up, observation, success and info are of the last. control_dt is k times
//   as long, the limit of the episode the k-th part (rounded up).
// - rescale_action: actions in [-1, 1] are mapped onto the task's bounds
//   (gymnasium.wrappers.RescaleAction).
// - frame_stack k: an observation is the last k, oldest first, [k * O]; at the start of an episode
//   the first one fills all (gymnasium.wrappers.FrameStackObservation, padding_type "reset").
std::unique_ptr<Env> WrapEnv(std::unique_ptr<Env> env, const EnvOptions& options);

}  // namespace v2r
