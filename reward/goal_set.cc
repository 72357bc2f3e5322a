#include "reward/goal_set.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/tensor_file.h"
#include "reward/medoids.h"

namespace v2r {
namespace {

constexpr double kTiny = 1e-9;

torch::Tensor MedoidRows(const DistanceFn& distance, const torch::Tensor& rows, int64_t k) {
  std::vector<torch::Tensor> columns;
  for (int64_t i = 0; i < rows.size(0); ++i) columns.push_back(distance(rows, rows[i]));
  const auto chosen = Medoids(torch::stack(columns), k);
  return rows.index_select(0, torch::tensor(chosen, torch::kInt64).to(rows.device()));
}

// The first (or last) `count` frames of every demonstration: [G, D].
torch::Tensor Ends(const std::vector<torch::Tensor>& demos, int64_t count, bool first) {
  std::vector<torch::Tensor> rows;
  for (const auto& demo : demos) {
    const int64_t n = std::min(count, demo.size(0));
    rows.push_back(demo.narrow(0, first ? 0 : demo.size(0) - n, n));
  }
  return torch::cat(rows);
}

// distance(z, goal) for z [..., D], goal [D] or [..., D]; long embeddings on the CPU block by
// block, so that what the distance makes on its way stays in the cache.
torch::Tensor InBlocks(const DistanceFn& distance, const torch::Tensor& z,
                       const torch::Tensor& goal) {
  constexpr int64_t kBlock = 1 << 18;  // floats
  if (!z.is_cpu() || z.numel() <= 4 * kBlock) return distance(z, goal);
  const int64_t dims = z.size(-1), rows = z.numel() / dims;
  const auto flat = z.reshape({rows, dims});
  const auto goals = goal.dim() == 1 ? goal : goal.expand_as(z).reshape({rows, dims});
  const auto result = torch::empty({rows});
  const int64_t block = std::max<int64_t>(1, kBlock / dims);
  for (int64_t at = 0; at < rows; at += block) {
    const int64_t n = std::min(block, rows - at);
    result.narrow(0, at, n).copy_(
        distance(flat.narrow(0, at, n), goal.dim() == 1 ? goals : goals.narrow(0, at, n)));
  }
  return result.view(z.sizes().slice(0, z.dim() - 1));
}

// One goal after the other: [.., G, D] at once would not fit for long embeddings.
torch::Tensor ToNearest(const DistanceFn& distance, const torch::Tensor& z,
                        const torch::Tensor& goals) {
  torch::Tensor nearest = InBlocks(distance, z, goals[0]);
  for (int64_t i = 1; i < goals.size(0); ++i) {
    nearest = torch::minimum(nearest, InBlocks(distance, z, goals[i]));
  }
  return nearest;
}

double Mean(const torch::Tensor& values) { return values.mean().item<double>(); }

}  // namespace

GoalSpread MeasureGoalSpread(const GoalOptions& options, const DistanceFn& distance,
                             const std::vector<torch::Tensor>& demos) {
  V2R_CHECK(!demos.empty());
  const torch::NoGradGuard no_grad;
  const auto ends = Ends(demos, options.last_frames, /*first=*/false);
  const auto starts = Ends(demos, 1, /*first=*/true);
  const auto mean = ends.mean(0);
  GoalSpread result;
  result.spread = Mean(distance(ends, mean));
  if (options.kind == "mean") {
    result.start_distance = Mean(distance(starts, mean));
  } else if (options.kind == "medoids") {
    result.start_distance =
        Mean(ToNearest(distance, starts, MedoidRows(distance, ends, options.medoids)));
  } else if (options.kind == "nearest") {
    result.start_distance = Mean(ToNearest(distance, starts, ends));
  } else {
    result.start_distance = Mean(distance(starts, Ends(demos, 1, /*first=*/false)));
  }
  return result;
}

GoalSet::GoalSet(const GoalOptions& options, DistanceFn distance)
    : options_(options), distance_(std::move(distance)) {}

void GoalSet::Fit(const std::vector<torch::Tensor>& demos, bool wrong) {
  const torch::NoGradGuard no_grad;
  const GoalSpread spread = MeasureGoalSpread(options_, distance_, demos);
  if (spread.start_distance < kTiny) {
    ThrowUser(
        "the demonstrations' first and last frames are {:.3g} apart in the embedding: they look "
        "the same to this encoder (a "
        "collapsed encoder, or clips that begin at the goal)",
        spread.start_distance);
  }
  if (options_.kind == "mean" && !wrong &&
      spread.spread > options_.max_spread * spread.start_distance) {
    ThrowUser(
        "the demonstrations' goals do not look alike: goal spread {:.4g}, start-goal distance "
        "{:.4g}, ratio {:.2f} > "
        "goal.max_spread {:.2f}. Their mean is no goal: set goal.kind=nearest",
        spread.spread, spread.start_distance, spread.ratio(), options_.max_spread);
  }
  spread_ = spread;
  per_episode_ = options_.kind == "env" && !wrong;
  goals_ = torch::Tensor();
  if (per_episode_) return;
  const auto ends = Ends(demos, options_.last_frames, wrong);
  if (options_.kind == "medoids") {
    goals_ = MedoidRows(distance_, ends, options_.medoids);
  } else {
    goals_ = (options_.kind == "nearest" ? ends : ends.mean(0, /*keepdim=*/true)).clone();
  }
}

torch::Tensor GoalSet::Distance(const torch::Tensor& z, const torch::Tensor& goal) const {
  if (per_episode_) {
    V2R_CHECK(goal.defined(), "the goal picture of the episode was not embedded");
    return InBlocks(distance_, z, goal);
  }
  V2R_CHECK(goals_.defined(), "Fit() the goals first");
  return ToNearest(distance_, z, goals_);
}

torch::Tensor GoalSet::Chosen(const torch::Tensor& z, const torch::Tensor& goal) const {
  if (per_episode_) {
    V2R_CHECK(goal.defined(), "the goal picture of the episode was not embedded");
    return goal;
  }
  V2R_CHECK(goals_.defined(), "Fit() the goals first");
  if (goals_.size(0) == 1) return goals_[0].expand_as(z);
  torch::Tensor nearest = InBlocks(distance_, z, goals_[0]);
  auto index = torch::zeros_like(nearest, torch::kInt64);
  for (int64_t i = 1; i < goals_.size(0); ++i) {
    const auto d = InBlocks(distance_, z, goals_[i]);
    index.masked_fill_(d < nearest, i);
    nearest = torch::minimum(nearest, d);
  }
  return goals_.index_select(0, index.flatten()).view_as(z);
}

void GoalSet::SaveState(StateDict& state) const {
  state["per_episode"] = Blob::Scalar<uint8_t>(per_episode_);
  state["spread"] = Blob::Scalar(spread_.spread);
  state["start_distance"] = Blob::Scalar(spread_.start_distance);
  if (goals_.defined()) state["goals"] = ToBlob(goals_);
}

void GoalSet::LoadState(const StateDict& state, const torch::Device& device) {
  const std::string what = "checkpoint of the goals";
  per_episode_ = RequireScalar<uint8_t>(state, "per_episode", what) != 0;
  spread_.spread = RequireScalar<double>(state, "spread", what);
  spread_.start_distance = RequireScalar<double>(state, "start_distance", what);
  goals_ = torch::Tensor();
  if (!per_episode_) goals_ = ToTensor(Require(state, "goals", what)).to(device);
}

}  // namespace v2r
