// What the Python plugin builds: a vector environment whose reward is known at every step, and a
// reward of single pictures.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "envs/vector_env.h"

namespace v2r {

struct PluginEnv {
  std::unique_ptr<VectorEnv> env;
  std::string autoreset;        // as EnvOptions::autoreset
  bool learned_reward = false;  // BatchView::reward is not the task's own
};

// The configs env=`env` (a config, "push_wide", or where it has a slash an id, "v2r/push_wide") and
// reward=`reward` (a config) of `v2r train`, changed by `changes`: a map from dotted keys, env.*,
// reward.*, encoder (a file), goal (a folder of demonstrations) and device. Films and pretrains
// nothing: a reward that reads pictures needs `encoder` (not pixel_l2) and `goal`. reward.timing is
// immediate. UserError: besides what `v2r train` refuses, a reward that only knows whole rollouts.
PluginEnv MakePluginEnv(const std::string& env, const std::string& reward,
                        const ConfigNode& changes);

// A calibrated reward of single pictures. UserError: a reward that reads two pictures, the goal of
// the episode, the task's own reward or whole rollouts.
class PictureReward {
 public:
  // As MakePluginEnv.
  PictureReward(const std::string& reward, const ConfigNode& changes);
  ~PictureReward();
  // frames: uint8 [rewards.size(), height, width, 3] RGB. From one thread at a time.
  void Compute(const uint8_t* frames, int64_t height, int64_t width,
               std::span<float> rewards) const;
  const std::string& EncoderFingerprint() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Names that `v2r list rewards` shows.
std::vector<std::string> PluginRewardNames();

}  // namespace v2r
