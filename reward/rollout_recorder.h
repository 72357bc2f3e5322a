// Copies the pictures of a rollout and knows which embedding each step reads.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "core/safetensors.h"
#include "envs/vector_env.h"
#include "reward/embedder.h"
#include "reward/reward_model.h"

namespace v2r {

struct RecorderNeeds {
  bool frame = true;  // next_frame (false: only numbers are recorded)
  bool pair = false;  // the picture the action was taken in, too
  bool goal = false;  // goal_frame, once per goal_id
  int64_t every = 1;  // steps 1, 1+every, ... of an episode are sampled; the others repeat what the
                      // last sampled one read
};

// Pictures lie in one buffer [rows,H,W,3] that grows with the longest rollout and is kept: no
// allocation in a step beyond growth. A picture is copied once and encoded once: the picture before
// a step is the one after the step before, except after a reset. A row with episode_step 0 (the
// reset of next-step autoreset), or one that repeats the last (an ended env without autoreset), is
// no transition: transition() is 0 there.
class RolloutRecorder {
 public:
  // `pinned`: page-locked memory, for a GPU encoder.
  RolloutRecorder(const VectorEnvSpec& spec, const RecorderNeeds& needs, bool pinned);

  void Reset(const BatchView& view);  // after VectorEnv::Reset
  void Add(const BatchView& view);    // after a step
  int64_t steps() const { return steps_; }
  int64_t frames() const { return used_; }  // pictures recorded since the last Take

  // Encodes `chunk_size` pictures at a time (encoder may be null when needs.frame is false) and
  // starts afresh; the embeddings that the next rollout still reads are carried over. What it
  // returns is good until the next Take. `calls` counts Encoder::Embed.
  RolloutFeatures Take(const Embedder* encoder, int64_t chunk_size, int64_t& calls);
  // Of the last Take: uint8 [T,N], 0 where a row is no transition; all 1 is the rule.
  const torch::Tensor& transition() const { return transition_; }

  // Only with nothing pending: after Take, or after Reset and Flush.
  void SaveState(StateDict& state) const;
  // `device`: of the encoder. UserError: another number of environments.
  void LoadState(const StateDict& state, const torch::Device& device);
  // Between rollouts: encodes the pictures that Reset recorded.
  void Flush(const Embedder* encoder, int64_t chunk_size, int64_t& calls);

 private:
  // Where an embedding comes from: row >= 0 of this rollout's pictures, or -1 - k for carried row
  // k; kNone = nowhere.
  using Source = int64_t;
  static constexpr Source kNone = INT64_MIN;
  enum Slot {
    kNext,
    kCurrent,
    kState,
    kGoal,
    kSlots
  };  // last sampled next and current, present picture, goal of the episode

  void Clear();
  Source Append(std::span<const uint8_t> frames, int64_t env);
  void Reserve(int64_t rows);
  torch::Tensor Encode(const Embedder& encoder, int64_t chunk_size, int64_t& calls);  // [used, D]
  torch::Tensor Gather(const torch::Tensor& embeddings, const std::vector<Source>& sources) const;
  void Carry(const torch::Tensor& embeddings);
  Source& At(Slot slot, int64_t env) { return slots_[slot * num_envs_ + env]; }

  int64_t num_envs_, height_, width_;
  RecorderNeeds needs_;
  bool carries_, pinned_;
  torch::Tensor embeddings_;  // [most rows so far, D], kept: its pages cost more than a small net
  torch::Tensor buffer_;      // uint8 [capacity,H,W,3]
  int64_t capacity_ = 0, used_ = 0, steps_ = 0;
  std::vector<Source> next_, current_, goal_;                         // [T*N] of this rollout
  std::vector<float> env_reward_;                                     // [T*N]
  std::vector<uint8_t> done_, terminated_, success_, is_transition_;  // [T*N]
  std::vector<int64_t> episode_step_;                                 // [T*N]
  std::vector<Source> slots_;                                         // [kSlots*N]
  std::vector<int64_t> goal_id_;                                      // [N] of slot kGoal
  std::vector<int64_t> last_episode_, last_step_;                     // [N] of the last row
  std::vector<float> held_reward_;  // [N] env_reward of the last sampled step
  torch::Tensor carried_;           // [K, D]
  torch::Tensor transition_;
};

}  // namespace v2r
