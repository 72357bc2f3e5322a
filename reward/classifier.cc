#include "reward/classifier.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/tensor_file.h"
#include "learn/rank2reward.h"
#include "reward/demos.h"

namespace v2r {
namespace {

const char* const kWhat = "checkpoint of the reward's classifier";

torch::Tensor IndexTensor(const std::vector<int64_t>& index, const torch::Device& device) {
  return torch::tensor(index, torch::kInt64).to(device);
}

// Marsaglia and Tsang 2000; for shape < 1 their boost by U^(1/shape).
double SampleGamma(double shape, Rng& rng) {
  if (shape < 1) return SampleGamma(shape + 1, rng) * std::pow(1 - rng.Uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = rng.Normal();
    const double v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - rng.Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return d * v;
    }
  }
}

// Beta(alpha, alpha); 1 (no mixup) for alpha 0.
double SampleMixup(double alpha, Rng& rng) {
  if (alpha <= 0) return 1;
  const double a = SampleGamma(alpha, rng), b = SampleGamma(alpha, rng);
  return a + b > 0 ? a / (a + b) : 0.5;
}

}  // namespace

void Reservoir::Add(const torch::Tensor& z, Rng& rng) {
  if (!rows_.defined()) {
    rows_ = torch::zeros({rollouts_, frames_, z.size(1)}, z.options());
    counts_.assign(rollouts_, 0);
  }
  auto order = rng.Permutation(z.size(0));
  order.resize(std::min<size_t>(order.size(), frames_));
  const auto count = static_cast<int64_t>(order.size());
  rows_[next_].narrow(0, 0, count).copy_(z.index_select(0, IndexTensor(order, z.device())));
  counts_[next_] = count;
  next_ = (next_ + 1) % rollouts_;
}

int64_t Reservoir::size() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

torch::Tensor Reservoir::Sample(int64_t n, Rng& rng) const {
  const int64_t total = size();
  V2R_CHECK_GT(total, 0);
  std::vector<int64_t> index(n);
  for (auto& row : index) {
    auto draw = static_cast<int64_t>(rng.Below(total));
    int64_t place = 0;
    while (draw >= counts_[place]) draw -= counts_[place++];
    row = place * frames_ + draw;
  }
  return rows_.flatten(0, 1).index_select(0, IndexTensor(index, rows_.device()));
}

void Reservoir::SaveState(StateDict& state) const {
  state["next"] = Blob::Scalar(next_);
  state["counts"] = Blob::Of<int64_t>(counts_);
  if (rows_.defined()) state["rows"] = ToBlob(rows_);
}

void Reservoir::LoadState(const StateDict& state, const torch::Device& device) {
  next_ = RequireScalar<int64_t>(state, "next", kWhat);
  const auto counts = Require(state, "counts", kWhat).as<int64_t>();
  counts_.assign(counts.begin(), counts.end());
  rows_ = torch::Tensor();
  if (counts_.empty()) return;
  rows_ = ToTensor(Require(state, "rows", kWhat)).to(device);
  if (rows_.dim() != 3 || rows_.size(0) != rollouts_ || rows_.size(1) != frames_) {
    ThrowUser("{}: its reservoir holds {} rollouts of {} frames, the config says {} of {}", kWhat,
              rows_.size(0), rows_.size(1), rollouts_, frames_);
  }
}

ClassifierReward::ClassifierReward(std::unique_ptr<RewardModel> base,
                                   const ClassifierOptions& options, int64_t embedding_dim,
                                   const torch::Device& device)
    : base_(std::move(base)),
      options_(options),
      embedding_dim_(embedding_dim),
      device_(device),
      reservoir_(options.reservoir_rollouts, options.reservoir_frames) {}

void ClassifierReward::SetDemos(torch::Tensor demos) {
  demos_ = std::move(demos);
  mean_ = demos_.mean(0);
  const auto deviation = demos_.std(0, /*unbiased=*/false);
  // A dimension that the demonstrations never move (a background pixel) must not drown the others
  // when the policy moves it.
  deviation_ = deviation.clamp_min(std::max(0.1 * deviation.mean().item<double>(), 1e-6));
}

void ClassifierReward::Calibrate(const DemoFeatures& demos) {
  const torch::NoGradGuard no_grad;
  base_->Calibrate(demos);
  // clone(): embeddings may be inference tensors, which a graph may not keep.
  SetDemos(torch::cat(GoodDemos(demos, embedding_dim_, device_)).clone());
}

void ClassifierReward::MakeNetwork(Rng& rng) {
  head_ = std::make_shared<HeadImpl>(HeadSpec{embedding_dim_, options_.hidden, 1}, rng);
  head_->to(device_);
  optimizer_ = std::make_unique<torch::optim::Adam>(
      head_->parameters(), torch::optim::AdamOptions(options_.learning_rate));
}

torch::Tensor ClassifierReward::Logits(const torch::Tensor& z) const {
  return head_->forward((z - mean_) / deviation_).squeeze(-1);
}

void ClassifierReward::Learn(const RolloutFeatures& features, Rng& rng, Metrics& metrics) {
  V2R_CHECK(demos_.defined(), "Calibrate() the reward first");
  base_->Learn(features, rng, metrics);
  metrics["reward/version"] = static_cast<double>(++version_);
  if (head_ == nullptr) MakeNetwork(rng);
  {
    const torch::NoGradGuard no_grad;
    reservoir_.Add(features.next.to(device_).flatten(0, 1), rng);
  }
  const int64_t batch = options_.batch_size;
  const auto labels = torch::cat({torch::ones({batch}), torch::zeros({batch})}).to(device_);
  double loss_sum = 0;
  torch::Tensor z;
  for (int64_t step = 0; step < options_.steps; ++step) {
    std::vector<int64_t> index(batch);
    for (auto& row : index) row = static_cast<int64_t>(rng.Below(demos_.size(0)));
    z = torch::cat(
        {demos_.index_select(0, IndexTensor(index, device_)), reservoir_.Sample(batch, rng)});
    const double lambda = SampleMixup(options_.mixup_alpha, rng);
    const auto permutation = IndexTensor(rng.Permutation(2 * batch), device_);
    const torch::AutoGradMode grad(true);
    optimizer_->zero_grad();
    const auto loss =
        MixupClassifierLoss(Logits(Mixup(z, permutation, lambda)), labels, permutation, lambda);
    loss.backward();
    optimizer_->step();
    loss_sum += loss.item<double>();
  }
  if (options_.steps == 0) return;
  const torch::NoGradGuard no_grad;
  const auto right = (Logits(z) > 0) == (labels > 0.5);
  metrics["reward/classifier_loss"] = loss_sum / static_cast<double>(options_.steps);
  metrics["reward/classifier_accuracy"] = right.to(torch::kFloat).mean().item<double>();
}

torch::Tensor ClassifierReward::Compute(const RolloutFeatures& features,
                                        std::map<std::string, torch::Tensor>* parts) const {
  const torch::NoGradGuard no_grad;
  const auto base = base_->Compute(features, parts);
  const auto addition =
      head_ == nullptr ? torch::zeros_like(base)
                       : Logits(features.next.to(device_)).clamp(-options_.clip, options_.clip) *
                             options_.weight;
  if (parts != nullptr) {
    (*parts)["base"] = base;
    (*parts)["classifier"] = addition;
  }
  return base + addition;
}

void ClassifierReward::SaveState(StateDict& state) const {
  V2R_CHECK(demos_.defined(), "Calibrate() the reward first");
  StateDict base, reservoir;
  base_->SaveState(base);
  Merge(state, "base", std::move(base));
  reservoir_.SaveState(reservoir);
  Merge(state, "reservoir", std::move(reservoir));
  state["demos"] = ToBlob(demos_);
  state["version"] = Blob::Scalar(version_);
  if (head_ == nullptr) return;
  Merge(state, "head", ToStateDict(ModuleState(*head_)));
  Merge(state, "optimizer", SaveOptimizer(*optimizer_));
}

void ClassifierReward::LoadState(const StateDict& state) {
  if (!state.contains("demos")) {
    ThrowUser("the checkpoint has no classifier: it was made with reward.classifier.weight=0");
  }
  base_->LoadState(Under(state, "base"));
  reservoir_.LoadState(Under(state, "reservoir"), device_);
  SetDemos(ToTensor(Require(state, "demos", kWhat)).to(device_));
  version_ = RequireScalar<int64_t>(state, "version", kWhat);
  head_ = nullptr;
  optimizer_ = nullptr;
  const auto head = Under(state, "head");
  if (head.empty()) return;
  Rng rng(0);  // overwritten below
  MakeNetwork(rng);
  LoadModuleState(*head_, ToTensors(head), kWhat);
  head_->to(device_);
  LoadOptimizer(*optimizer_, Under(state, "optimizer"), kWhat);
}

}  // namespace v2r
