#include "reward/optimal_transport.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "reward/demos.h"
#include "reward/distance.h"
#include "reward/sinkhorn.h"

namespace v2r {
namespace {

const char* const kWhat = "checkpoint of the reward";

// Where an episode lies in a rollout.
struct Span {
  int64_t env = 0, first = 0, steps = 0;
};

// The runs of steps of one episode each, rows that are no transition left out at either end.
std::vector<Span> Episodes(const RolloutFeatures& features) {
  const int64_t steps = features.next.size(0), envs = features.next.size(1);
  std::vector<Span> spans;
  if (!features.episode_step.defined()) {
    for (int64_t n = 0; n < envs; ++n) spans.push_back({n, 0, steps});
    return spans;
  }
  const auto step = features.episode_step.accessor<int64_t, 2>();
  const auto transition = features.transition.defined() ? features.transition
                                                        : torch::ones({steps, envs}, torch::kUInt8);
  const auto is_step = transition.accessor<uint8_t, 2>();
  for (int64_t n = 0; n < envs; ++n) {
    bool open = false;
    for (int64_t t = 0; t < steps; ++t) {
      if (is_step[t][n] == 0) {
        open = false;
        continue;
      }
      if (!open || step[t][n] == 1) spans.push_back({n, t, 0});
      open = true;
      ++spans.back().steps;
    }
  }
  return spans;
}

// Row i of the result is row min(i + by, last).
torch::Tensor Later(const torch::Tensor& x, int64_t by) {
  const auto rows = (torch::arange(x.size(0)) + by).clamp_max(x.size(0) - 1);
  return x.index_select(0, rows.to(x.device()));
}

// bool [n,m]: the pairs near the diagonal.
torch::Tensor Band(int64_t n, int64_t m, int64_t width) {
  const double slope = n > 1 ? static_cast<double>(m - 1) / static_cast<double>(n - 1) : 0.0;
  const double reach =
      n > 1 ? std::max(static_cast<double>(width), static_cast<double>(m) / static_cast<double>(n))
            : static_cast<double>(m);
  const auto i = torch::arange(n, torch::kDouble).unsqueeze(1) * slope;
  const auto j = torch::arange(m, torch::kDouble).unsqueeze(0);
  return (i - j).abs() <= reach + 1e-9;
}

}  // namespace

OptimalTransportReward::OptimalTransportReward(const RewardOptions& options,
                                               std::shared_ptr<const Encoder> encoder,
                                               const torch::Device& device)
    : options_(options),
      encoder_(std::move(encoder)),
      device_(device),
      metric_(MetricName(options.distance, *encoder_)) {}

void OptimalTransportReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  const auto good = GoodDemos(demos, encoder_->embedding_dim(), device_);
  StartGoalDistance(metric_, good);  // refuses what looks all the same
  demos_.clear();
  double still = 0;
  for (const auto& demo : good) {
    if (demo.size(0) < 2) ThrowUser("a demonstration of one frame is no path to follow");
    demos_.push_back(demo.narrow(0, 1, demo.size(0) - 1).clone());
    still += PairwiseDistance(metric_, demo.narrow(0, 0, 1), demos_.back()).mean().item<double>();
  }
  unit_ = options_.demo_scale ? still / static_cast<double>(good.size()) : 1.0;
}

// C of episodes [B,n,D] and a demonstration [m,D]: [B,n,m].
torch::Tensor OptimalTransportReward::Costs(const torch::Tensor& episodes,
                                            const torch::Tensor& demo) const {
  const int64_t batch = episodes.size(0), n = episodes.size(1);
  const auto plain = PairwiseDistance(metric_, episodes.flatten(0, 1), demo).view({batch, n, -1});
  if (options_.transport.context == 1) return plain;
  auto turned = plain.permute({1, 2, 0});  // [n,m,B]
  auto sum = torch::zeros_like(turned);
  for (int64_t k = 0; k < options_.transport.context; ++k) {
    sum += Later(Later(turned, k).transpose(0, 1), k).transpose(0, 1);
  }
  return (sum / static_cast<double>(options_.transport.context)).permute({2, 0, 1});
}

torch::Tensor OptimalTransportReward::CostOfEpisodes(const torch::Tensor& episodes) const {
  const int64_t n = episodes.size(1);
  torch::Tensor best;
  for (const auto& demo : demos_) {
    const auto cost = Costs(episodes, demo);
    const auto allowed = options_.transport.mask > 0
                             ? Band(n, demo.size(0), options_.transport.mask).to(cost.device())
                             : torch::Tensor();
    const auto plan =
        Sinkhorn(cost, allowed, options_.transport.epsilon, options_.transport.iterations);
    const auto rows = (plan * cost).sum(-1);  // [B,n]
    best =
        best.defined() ? torch::where((rows.sum(1) < best.sum(1)).unsqueeze(1), rows, best) : rows;
  }
  const double factor = options_.demo_scale ? static_cast<double>(n) / unit_ : 1.0;
  return (best * factor).to(torch::kFloat);
}

torch::Tensor OptimalTransportReward::Compute(const RolloutFeatures& features,
                                              std::map<std::string, torch::Tensor>* parts) const {
  V2R_CHECK(unit_ > 0, "Calibrate() the reward first");
  const torch::NoGradGuard no_grad;
  const auto z = features.next.to(device_, torch::kFloat);
  auto costs = torch::zeros({z.size(0), z.size(1)}, z.options());
  std::map<int64_t, std::vector<Span>> by_length;
  for (const Span& span : Episodes(features)) by_length[span.steps].push_back(span);
  for (const auto& [steps, spans] : by_length) {
    std::vector<torch::Tensor> episodes;
    for (const Span& span : spans) {
      episodes.push_back(z.select(1, span.env).narrow(0, span.first, steps));
    }
    const auto values = CostOfEpisodes(torch::stack(episodes));
    for (size_t i = 0; i < spans.size(); ++i) {
      costs.select(1, spans[i].env)
          .narrow(0, spans[i].first, steps)
          .copy_(values[static_cast<int64_t>(i)]);
    }
  }
  if (parts != nullptr) (*parts)["transport_cost"] = costs;
  return costs * -options_.scale;
}

void OptimalTransportReward::SaveState(StateDict& state) const {
  state["name"] = TextBlob("optimal_transport");
  state["unit"] = Blob::Scalar(unit_);
  SaveDemoRows(state, demos_);
}

void OptimalTransportReward::LoadState(const StateDict& state) {
  RequireRewardName(state, "optimal_transport");
  unit_ = RequireScalar<double>(state, "unit", kWhat);
  demos_ = LoadDemoRows(state, device_);
}

}  // namespace v2r
