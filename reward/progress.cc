#include "reward/progress.h"

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensor_file.h"
#include "reward/demos.h"

namespace v2r {
namespace {

const char* const kName = "progress";

}  // namespace

ProgressReward::ProgressReward(const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                               const torch::Device& device)
    : options_(options),
      dims_(encoder->embedding_dim()),
      device_(device),
      head_(options.head,
            {.reward = kName,
             .name = "progress",
             .method = "progress",
             .embeddings = 3,
             .numbers = 2},
            encoder, device),
      goals_(options.goal, MakeDistance(options.distance, encoder)) {}

torch::Tensor ProgressReward::Value(const torch::Tensor& start, const torch::Tensor& now,
                                    const torch::Tensor& goal,
                                    std::map<std::string, torch::Tensor>* parts) const {
  const auto out = head_.Apply(torch::cat({start, now, goal}, -1)).unbind(-1);
  const auto sigma = torch::exp(out[1] / 2);
  if (parts != nullptr) {
    (*parts)["progress_mean"] = out[0];
    (*parts)["progress_std"] = sigma;
  }
  const double of_unit = 0.5 * std::log(2 * std::numbers::pi * std::numbers::e);
  const auto entropy = out[1] / 2 + of_unit;
  return out[0] - sigma * options_.progress.deviation - entropy * options_.progress.entropy;
}

void ProgressReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  const auto good = GoodDemos(demos, dims_, device_);
  goals_.Fit(good, options_.wrong_goal);
  std::vector<torch::Tensor> firsts, lasts;
  for (const auto& demo : good) {
    firsts.push_back(demo[0]);
    lasts.push_back(demo[demo.size(0) - 1]);
  }
  const auto first = torch::stack(firsts), last = torch::stack(lasts);
  start_ = first.mean(0);
  range_ = DemoRange::Of(Value(first, first, last, nullptr), Value(first, last, last, nullptr),
                         head_.name());
}

torch::Tensor ProgressReward::Starts(const RolloutFeatures& features) const {
  const int64_t steps = features.next.size(0), envs = features.next.size(1);
  if (!features.episode_step.defined()) return start_.expand({steps, envs, dims_});
  V2R_CHECK(features.current.defined());
  // Rows of `all`: the pictures before each step, then what the rollout before left.
  const auto carried =
      features.memory.defined() ? features.memory.to(device_) : start_.expand({envs, dims_});
  const auto all = torch::cat({features.current.to(device_, torch::kFloat).flatten(0, 1), carried});
  const auto step = features.episode_step.accessor<int64_t, 2>();
  const auto moves = features.transition.defined() ? features.transition
                                                   : torch::ones({steps, envs}, torch::kUInt8);
  const auto is_step = moves.accessor<uint8_t, 2>();
  std::vector<int64_t> rows(steps * envs);
  for (int64_t n = 0; n < envs; ++n) {
    int64_t row = steps * envs + n;
    for (int64_t t = 0; t < steps; ++t) {
      if (is_step[t][n] != 0 && step[t][n] == 1) row = t * envs + n;
      rows[t * envs + n] = row;
    }
  }
  const auto starts =
      all.index_select(0, torch::tensor(rows, torch::kInt64).to(device_)).view({steps, envs, -1});
  if (features.memory.defined()) {
    torch::Tensor memory = features.memory;
    memory.copy_(starts[steps - 1]);
  }
  return starts;
}

torch::Tensor ProgressReward::Compute(const RolloutFeatures& features,
                                      std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(range_.known(), "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto now = features.next.to(device_, torch::kFloat);
  const auto picture = goals_.per_episode() ? features.goal.to(device_) : torch::Tensor();
  const auto v = Value(Starts(features), now, goals_.Chosen(now, picture), parts);
  return (options_.demo_scale ? range_.Scaled(v) : v) * options_.scale;
}

void ProgressReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob(kName);
  state["start"] = ToBlob(start_);
  range_.SaveState(state);
  StateDict goals;
  goals_.SaveState(goals);
  Merge(state, "goal", std::move(goals));
}

void ProgressReward::LoadState(const StateDict& state) {
  RequireRewardName(state, kName);
  start_ = ToTensor(Require(state, "start", "checkpoint of the reward")).to(device_);
  range_.LoadState(state);
  goals_.LoadState(Under(state, "goal"), device_);
}

}  // namespace v2r
