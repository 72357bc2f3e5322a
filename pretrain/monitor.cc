#include "pretrain/monitor.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"
#include "learn/knn.h"
#include "learn/linear_probe.h"
#include "learn/losses.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

constexpr int64_t kBankFactor = 4, kMaxShare = 10;  // queries are at most a tenth
constexpr int64_t kNeighbours = 20;
constexpr double kTemperature = 0.07;
constexpr int64_t kChunk = 128;

torch::Tensor TargetsOf(const ClipSet& clips, const std::vector<FrameIndex>& frames, bool pseudo) {
  std::vector<int64_t> targets;
  for (const FrameIndex& f : frames) {
    targets.push_back(pseudo ? f.clip : clips.clips[f.clip].target);
  }
  return torch::tensor(targets, torch::kInt64);
}

int64_t DifferentIn(const torch::Tensor& targets) {
  const int64_t* first = targets.const_data_ptr<int64_t>();
  return static_cast<int64_t>(std::set<int64_t>(first, first + targets.numel()).size());
}

}  // namespace

std::optional<ClassMonitor> ClassMonitor::Take(ClipSet& clips, int64_t queries,
                                               const EncoderSpec& spec, const Rng& rng,
                                               const torch::Device& device) {
  const bool pseudo = clips.classes.empty();
  ClassMonitor monitor;
  monitor.labelled_ = !pseudo;
  std::vector<FrameIndex> bank, asked;
  ClipSet held;
  if (pseudo) {
    for (const FrameIndex& f : SpreadFrames(clips, queries * (kBankFactor + 1))) {
      const int64_t length = clips.clips[f.clip].frames.size(0);
      const bool middle = f.frame >= length * 2 / 5 && f.frame < length * 3 / 5;
      (middle ? asked : bank).push_back(f);
    }
    monitor.classes_ = static_cast<int64_t>(clips.clips.size());
  } else {
    const auto count = static_cast<int64_t>(clips.clips.size());
    Rng stream = rng;
    const std::vector<int64_t> order = stream.Permutation(count);
    const std::set<int64_t> out(order.begin(),
                                order.begin() + std::min(queries, count / kMaxShare));
    held.classes = clips.classes;
    std::vector<Clip> rest;
    for (int64_t i = 0; i < count; ++i) {
      (out.contains(i) ? held.clips : rest).push_back(std::move(clips.clips[i]));
    }
    clips.clips = std::move(rest);
    for (size_t i = 0; i < held.clips.size(); ++i) asked.push_back({static_cast<int64_t>(i), 0});
    bank = SpreadFrames(clips, queries * kBankFactor);
    monitor.classes_ = static_cast<int64_t>(clips.classes.size());
  }
  if (asked.empty() || bank.empty()) return std::nullopt;
  const ClipSet& from = pseudo ? clips : held;
  monitor.bank_targets_ = TargetsOf(clips, bank, pseudo);
  monitor.query_targets_ = TargetsOf(from, asked, pseudo);
  if (DifferentIn(monitor.bank_targets_) < 2) return std::nullopt;
  monitor.bank_ = Normalise(spec, PlainViews(clips, bank, spec)).to(device);
  monitor.queries_ = Normalise(spec, PlainViews(from, asked, spec)).to(device);
  return monitor;
}

Metrics ClassMonitor::Measure(EncoderNetImpl& net, bool linear) const {
  const torch::Tensor bank = EmbedInEvalMode(net, bank_), asked = EmbedInEvalMode(net, queries_);
  const KnnResult knn = KnnClassify(L2Normalize(bank), bank_targets_, L2Normalize(asked),
                                    kNeighbours, kTemperature, classes_);
  Metrics metrics = {{"pretrain/knn_acc", TopAccuracy(knn, query_targets_, 1) / 100}};
  if (linear) {
    Rng unused(0);  // logistic regression draws nothing
    const LinearProbe probe = FitLinearProbe(bank, bank_targets_, classes_, {}, unused);
    metrics["pretrain/linear_acc"] = Accuracy(probe.Logits(asked), query_targets_) / 100;
  }
  return metrics;
}

torch::Tensor EmbedInEvalMode(EncoderNetImpl& net, const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const bool training = net.is_training();
  net.eval();
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& chunk : x.split(kChunk)) parts.push_back(net.forward(chunk));
  net.train(training);
  return torch::cat(parts).to(torch::kCPU, torch::kFloat);
}

double HeadAccuracy(EncoderNetImpl& net, HeadImpl& head, const torch::Tensor& x,
                    const torch::Tensor& targets) {
  const torch::NoGradGuard no_grad;
  const bool training = head.is_training();
  head.eval();
  const auto logits = head.forward(EmbedInEvalMode(net, x).to(x.device())).cpu();
  head.train(training);
  return Accuracy(logits, targets);
}

}  // namespace v2r
