#include "reward/rollout_recorder.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {
namespace {

constexpr int64_t kFirstSteps = 64;  // the buffer's first size, in steps
const char* const kWhat = "checkpoint of the learned reward";

template <typename T>
torch::Tensor CopyOf(const std::vector<T>& values, int64_t steps, int64_t envs,
                     torch::ScalarType type) {
  return torch::from_blob(const_cast<T*>(values.data()), {steps, envs}, type).clone();
}

}  // namespace

RolloutRecorder::RolloutRecorder(const VectorEnvSpec& spec, const RecorderNeeds& needs, bool pinned)
    : num_envs_(spec.num_envs),
      height_(spec.height),
      width_(spec.width),
      needs_(needs),
      carries_(needs.frame && (needs.pair || needs.goal || needs.every > 1)),
      pinned_(pinned),
      slots_(kSlots * num_envs_, kNone),
      goal_id_(num_envs_, INT64_MIN),
      last_episode_(num_envs_, -1),
      last_step_(num_envs_, -1),
      held_reward_(num_envs_, 0.0f) {
  if (needs_.frame) Reserve(num_envs_ * kFirstSteps);
}

void RolloutRecorder::Reserve(int64_t rows) {
  if (rows <= capacity_) return;
  const int64_t capacity = std::max(rows, 2 * capacity_);
  auto larger = torch::empty({capacity, height_, width_, 3},
                             torch::TensorOptions(torch::kUInt8).pinned_memory(pinned_));
  if (used_ > 0) larger.narrow(0, 0, used_).copy_(buffer_.narrow(0, 0, used_));
  buffer_ = larger;
  capacity_ = capacity;
}

RolloutRecorder::Source RolloutRecorder::Append(std::span<const uint8_t> frames, int64_t env) {
  const int64_t bytes = height_ * width_ * 3;
  V2R_CHECK_EQ(static_cast<int64_t>(frames.size()), num_envs_ * bytes);
  Reserve(used_ + 1);
  std::memcpy(buffer_.data_ptr<uint8_t>() + used_ * bytes, frames.data() + env * bytes, bytes);
  return used_++;
}

void RolloutRecorder::Reset(const BatchView& view) {
  // A first picture that no step followed is not needed any more.
  if (steps_ == 0) used_ = 0;
  for (int64_t n = 0; n < num_envs_; ++n) {
    goal_id_[n] = INT64_MIN;
    last_episode_[n] = last_step_[n] = -1;
    if (needs_.frame && needs_.pair) At(kState, n) = Append(view.frame, n);
  }
}

void RolloutRecorder::Add(const BatchView& view) {
  const int64_t count = num_envs_;
  const int64_t frame_bytes = count * height_ * width_ * 3;
  Source bulk = kNone;
  if (needs_.frame && needs_.every == 1) {
    V2R_CHECK_EQ(static_cast<int64_t>(view.next_frame.size()), frame_bytes);
    Reserve(used_ + count);
    bulk = used_;
    std::memcpy(buffer_.data_ptr<uint8_t>() + used_ * (frame_bytes / count), view.next_frame.data(),
                frame_bytes);
    used_ += count;
  }
  for (int64_t n = 0; n < count; ++n) {
    const int64_t step = view.episode_step[n];
    const bool repeated = view.episode_id[n] == last_episode_[n] && step == last_step_[n];
    const bool transition = step > 0 && !repeated;
    const bool done = view.terminated[n] != 0 || view.truncated[n] != 0;
    const bool sampled = !repeated && (step == 0 || (step - 1) % needs_.every == 0);
    last_episode_[n] = view.episode_id[n];
    last_step_[n] = step;
    if (sampled) held_reward_[n] = static_cast<float>(view.env_reward[n]);
    env_reward_.push_back(held_reward_[n]);
    done_.push_back(done);
    terminated_.push_back(view.terminated[n] != 0);
    success_.push_back(view.success[n] != 0);
    is_transition_.push_back(transition);
    episode_step_.push_back(step);
    if (!needs_.frame) continue;

    if (sampled) {
      At(kNext, n) = bulk == kNone ? Append(view.next_frame, n) : bulk + n;
      At(kCurrent, n) = transition ? At(kState, n) : At(kNext, n);
    }
    next_.push_back(At(kNext, n));
    if (needs_.pair) {
      current_.push_back(At(kCurrent, n));
      // The picture the next action is taken in, wanted when the next step is sampled.
      const int64_t present = done ? 0 : step;
      if (!repeated && present % needs_.every == 0) {
        At(kState, n) = sampled && !done ? At(kNext, n) : Append(view.frame, n);
      }
    }
    if (needs_.goal) {
      if (view.goal_id[n] != goal_id_[n]) {
        goal_id_[n] = view.goal_id[n];
        At(kGoal, n) = Append(view.goal_frame, n);
      }
      goal_.push_back(At(kGoal, n));
    }
  }
  ++steps_;
}

torch::Tensor RolloutRecorder::Encode(const Embedder& encoder, int64_t chunk_size, int64_t& calls) {
  for (int64_t at = 0; at < used_; at += chunk_size) {
    const int64_t n = std::min(chunk_size, used_ - at);
    const auto chunk = encoder.Embed(buffer_.narrow(0, at, n));
    ++calls;
    if (n == used_) return chunk;
    if (!embeddings_.defined() || embeddings_.size(0) < used_) {
      embeddings_ = torch::empty({used_, chunk.size(1)}, chunk.options());
    }
    embeddings_.narrow(0, at, n).copy_(chunk);
  }
  return used_ > 0 ? embeddings_.narrow(0, 0, used_) : torch::Tensor();
}

// Rows by source: those of this rollout, or carried ones.
torch::Tensor RolloutRecorder::Gather(const torch::Tensor& embeddings,
                                      const std::vector<Source>& sources) const {
  bool in_order = embeddings.defined();
  for (size_t i = 0; i < sources.size() && in_order; ++i) {
    in_order = sources[i] == static_cast<Source>(i);
  }
  if (in_order) return embeddings.narrow(0, 0, static_cast<int64_t>(sources.size()));
  const int64_t fresh = embeddings.defined() ? embeddings.size(0) : 0;
  std::vector<int64_t> rows(sources.size());
  bool uses_carried = false;
  for (size_t i = 0; i < sources.size(); ++i) {
    V2R_CHECK(sources[i] != kNone, "a step came before Reset()");
    uses_carried |= sources[i] < 0;
    rows[i] = sources[i] >= 0 ? sources[i] : fresh - 1 - sources[i];
  }
  auto all = embeddings;
  if (uses_carried) all = fresh > 0 ? torch::cat({embeddings, carried_}) : carried_;
  return all.index_select(0, torch::tensor(rows, torch::kInt64).to(all.device()));
}

// Keeps the rows that the next rollout may read.
void RolloutRecorder::Carry(const torch::Tensor& embeddings) {
  if (!carries_) {
    std::fill(slots_.begin(), slots_.end(), kNone);
    return;
  }
  std::vector<Source> kept;
  for (Source& source : slots_) {
    if (source == kNone) continue;
    kept.push_back(source);
    source = -static_cast<Source>(kept.size());
  }
  if (!kept.empty()) carried_ = Gather(embeddings, kept).clone();
}

RolloutFeatures RolloutRecorder::Take(const Embedder* encoder, int64_t chunk_size, int64_t& calls) {
  const torch::NoGradGuard no_grad;
  RolloutFeatures features;
  features.env_reward = CopyOf(env_reward_, steps_, num_envs_, torch::kFloat);
  features.done = CopyOf(done_, steps_, num_envs_, torch::kUInt8);
  features.terminated = CopyOf(terminated_, steps_, num_envs_, torch::kUInt8);
  features.success = CopyOf(success_, steps_, num_envs_, torch::kUInt8);
  features.episode_step = CopyOf(episode_step_, steps_, num_envs_, torch::kInt64);
  transition_ = CopyOf(is_transition_, steps_, num_envs_, torch::kUInt8);
  features.transition = transition_;
  if (needs_.frame) {
    V2R_CHECK(encoder != nullptr);
    const auto embeddings = Encode(*encoder, chunk_size, calls);
    const auto rows = [&](const std::vector<Source>& sources) {
      return Gather(embeddings, sources).view({steps_, num_envs_, -1});
    };
    if (steps_ > 0) {
      features.next = rows(next_);
      if (needs_.pair) features.current = rows(current_);
      if (needs_.goal) features.goal = rows(goal_);
    }
    Carry(embeddings);
  }
  Clear();
  return features;
}

void RolloutRecorder::Clear() {
  used_ = steps_ = 0;
  next_.clear();
  current_.clear();
  goal_.clear();
  env_reward_.clear();
  done_.clear();
  terminated_.clear();
  success_.clear();
  is_transition_.clear();
  episode_step_.clear();
}

void RolloutRecorder::Flush(const Embedder* encoder, int64_t chunk_size, int64_t& calls) {
  V2R_CHECK_EQ(steps_, 0);
  if (used_ > 0) Take(encoder, chunk_size, calls);
}

void RolloutRecorder::SaveState(StateDict& state) const {
  V2R_CHECK(steps_ == 0 && used_ == 0, "save the state at the end of a rollout ({} steps recorded)",
            steps_);
  state["slots"] = Blob::Of<int64_t>(slots_, {kSlots, num_envs_});
  state["goal_id"] = Blob::Of<int64_t>(goal_id_);
  state["last_episode"] = Blob::Of<int64_t>(last_episode_);
  state["last_step"] = Blob::Of<int64_t>(last_step_);
  state["held_reward"] = Blob::Of<float>(held_reward_);
  if (carried_.defined()) state["carried"] = ToBlob(carried_);
}

void RolloutRecorder::LoadState(const StateDict& state, const torch::Device& device) {
  const auto slots = Require(state, "slots", kWhat).as<int64_t>();
  const auto goal_id = Require(state, "goal_id", kWhat).as<int64_t>();
  const auto last_episode = Require(state, "last_episode", kWhat).as<int64_t>();
  const auto last_step = Require(state, "last_step", kWhat).as<int64_t>();
  const auto held = Require(state, "held_reward", kWhat).as<float>();
  if (slots.size() != slots_.size()) {
    ThrowUser("{}: it was made with {} environments, this run has {}", kWhat, goal_id.size(),
              num_envs_);
  }
  std::copy(slots.begin(), slots.end(), slots_.begin());
  std::copy(goal_id.begin(), goal_id.end(), goal_id_.begin());
  std::copy(last_episode.begin(), last_episode.end(), last_episode_.begin());
  std::copy(last_step.begin(), last_step.end(), last_step_.begin());
  std::copy(held.begin(), held.end(), held_reward_.begin());
  carried_ = torch::Tensor();
  if (state.contains("carried")) carried_ = ToTensor(state.at("carried")).to(device);
  Clear();
}

}  // namespace v2r
