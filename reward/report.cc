#include "reward/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <optional>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "learn/alignment.h"
#include "learn/measures.h"
#include "reward/demos.h"
#include "reward/embedder.h"
#include "reward/goal_set.h"
#include "reward/needs.h"
#include "reward/quality.h"

namespace v2r {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
const std::map<std::string, double> kLabelRank = {{"random", 0}, {"near_miss", 1}, {"good", 2}};

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : kNone;
}

torch::Tensor Embed(const Embedder& embedder, const torch::Tensor& frames, int64_t chunk) {
  std::vector<torch::Tensor> parts;
  for (const auto& part : frames.split(chunk)) {
    PollInterrupt();
    parts.push_back(embedder.Embed(part));
  }
  return torch::cat(parts);
}

// Rewards after steps 1 .. L-1 of the frames z [L,D]; `goal` [D] is the episode's goal picture.
std::vector<double> Rewards(const RewardModel& model, const torch::Tensor& z,
                            const torch::Tensor& goal) {
  auto features = ClipFeatures(z, /*good=*/false);
  features.goal = goal.to(torch::kFloat).view({1, 1, -1}).expand_as(features.next);
  const auto values =
      model.Compute(features, nullptr).squeeze(1).to(torch::kCPU, torch::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

// Each frame turned about its middle by its own angle, edges repeated.
torch::Tensor Turned(const torch::Tensor& frames, double degrees, Rng& rng) {
  const int64_t count = frames.size(0);
  auto turns = torch::zeros({count, 2, 3});
  for (int64_t i = 0; i < count; ++i) {
    const double angle = (2 * rng.Uniform() - 1) * degrees * std::numbers::pi / 180;
    turns[i][0][0] = turns[i][1][1] = std::cos(angle);
    turns[i][0][1] = -std::sin(angle);
    turns[i][1][0] = std::sin(angle);
  }
  const auto pictures = frames.permute({0, 3, 1, 2}).to(torch::kFloat);
  namespace F = torch::nn::functional;
  const auto grid = F::affine_grid(turns, pictures.sizes(), /*align_corners=*/false);
  const auto options = F::GridSampleFuncOptions()
                           .mode(torch::kBilinear)
                           .padding_mode(torch::kBorder)
                           .align_corners(false);
  return F::grid_sample(pictures, grid, options)
      .round()
      .clamp(0, 255)
      .to(torch::kUInt8)
      .permute({0, 2, 3, 1})
      .contiguous();
}

torch::Tensor Relit(const torch::Tensor& frames, double by, Rng& rng) {
  auto factor = torch::ones({frames.size(0), 1, 1, 1});
  for (int64_t i = 0; i < frames.size(0); ++i) factor[i] = 1 + (2 * rng.Uniform() - 1) * by;
  return (frames.to(torch::kFloat) * factor).round().clamp(0, 255).to(torch::kUInt8);
}

class Measurement {
 public:
  Measurement(RewardReport& result, const RewardOptions& options,
              std::shared_ptr<const Encoder> encoder, const torch::Device& device,
              const std::vector<ReportClip>& clips, const RewardReportOptions& report)
      : result_(result),
        options_(JudgedReward(options)),
        encoder_(RequireEncoder(options_, std::move(encoder))),
        device_(device),
        clips_(clips),
        report_(report),
        rng_(Rng(static_cast<uint64_t>(report.seed)).Fork("reward_report")) {
    model_ = MakeRewardModel(options_, encoder_, device_);
    embedder_.emplace(encoder_.get(), model_->MoreEncoders());
  }

  void Run() {
    Split();
    for (const ReportClip& clip : clips_) {
      z_.push_back(Embed(*embedder_, clip.frames, options_.chunk_size));
    }
    for (const size_t i : known_) demos_.good.push_back(z_[i]);
    model_->Calibrate(demos_);
    goal_per_episode_ = NeedsGoalFrames(options_);
    for (size_t i = 0; i < clips_.size(); ++i) {
      const bool known = std::find(known_.begin(), known_.end(), i) != known_.end();
      // A clip that fails shows no goal of its own.
      const bool shown = !goal_per_episode_ || clips_[i].label == "good";
      rewards_.push_back(shown ? Rewards(*model_, z_[i], Last(z_[i])) : std::vector<double>());
      if (shown) result_.curves.push_back({clips_[i].name, clips_[i].label, known, rewards_[i]});
    }
    Order();
    Alignment();
    GoodAndBad();
    Robustness();
    Collapse();
    Truth();
  }

 private:
  static torch::Tensor Last(const torch::Tensor& z) { return z[z.size(0) - 1]; }

  void Split() {
    std::vector<size_t> good;
    for (size_t i = 0; i < clips_.size(); ++i) {
      if (clips_[i].label == "good") good.push_back(i);
    }
    if (good.size() < 2) {
      ThrowUser(
          "the report needs two good clips at least, one to calibrate the reward and one to judge "
          "it by; there are {}",
          good.size());
    }
    const auto held = static_cast<size_t>(
        std::clamp<int64_t>(std::llround(report_.held_out * static_cast<double>(good.size())), 1,
                            static_cast<int64_t>(good.size()) - 1));
    known_.assign(good.begin(), good.end() - static_cast<int64_t>(held));
    held_.assign(good.end() - static_cast<int64_t>(held), good.end());
  }

  void Add(const std::string& key, const std::string& title, double value,
           const std::string& wanted = "", int verdict = 0) {
    result_.measures.push_back({key, title, value, wanted, std::isnan(value) ? 0 : verdict});
  }
  void AtLeastOf(const std::string& key, const std::string& title, double value, double limit) {
    Add(key, title, value, fmt::format(">= {}", limit), value >= limit ? 1 : -1);
  }
  void AtMostOf(const std::string& key, const std::string& title, double value, double limit) {
    Add(key, title, value, fmt::format("<= {}", limit), value <= limit ? 1 : -1);
  }

  // VOC of each held-out clip whose frames `change` has changed.
  template <typename Change>
  std::vector<double> VocOf(const RewardModel& model, Change change) {
    std::vector<double> values;
    for (const size_t i : held_) values.push_back(Voc(Rewards(model, change(i), Last(z_[i]))));
    return values;
  }

  void Order() {
    const auto plain = VocOf(*model_, [&](size_t i) { return z_[i]; });
    std::vector<double> known;
    for (const double value : plain) {
      if (!std::isnan(value)) known.push_back(value);
    }
    voc_ = MeanOf(plain);
    AtLeastOf("voc_median", "VOC of held-out good clips, median", QuantileOf(known, 0.5), 0.95);
    AtLeastOf("voc_worst_decile", "VOC, worst decile", QuantileOf(known, 0.1), 0.9);
    AtMostOf("voc_reversed", "VOC of the clips backwards, mean",
             MeanOf(VocOf(*model_, [&](size_t i) { return z_[i].flip(0); })), 0.2);
    AtMostOf("voc_shuffled", "VOC of the clips shuffled, mean",
             MeanOf(VocOf(*model_,
                          [&](size_t i) {
                            const auto order = torch::tensor(rng_.Permutation(z_[i].size(0)));
                            return z_[i].index_select(0, order.to(z_[i].device()));
                          })),
             0.2);
    if (!HasGoal(options_) || options_.wrong_goal) return;
    RewardOptions wrong = options_;
    wrong.wrong_goal = true;
    wrong_ = MakeRewardModel(wrong, encoder_, device_);
    wrong_->Calibrate(demos_);
    AtMostOf("voc_wrong_goal", "VOC with a wrong goal, mean",
             MeanOf(VocOf(*wrong_, [&](size_t i) { return z_[i]; })), 0.2);
  }

  void Alignment() {
    const std::string metric =
        MetricName(options_.distance, *encoder_) == "cosine" ? "cosine" : "sqeuclidean";
    std::vector<torch::Tensor> good;
    for (size_t i = 0; i < clips_.size(); ++i) {
      if (clips_[i].label == "good") good.push_back(z_[i].cpu());
    }
    AtLeastOf("tau", "Kendall's tau of nearest neighbours",
              AlignmentTau(good, report_.stride, metric), 0.9);
    AtLeastOf("cycle_2", "2-way cycle consistency",
              TwoWayCycleConsistency(good, report_.stride, metric), 0.6);
    // All triples: more than these say the same.
    constexpr size_t kTriples = 8;
    if (good.size() > kTriples) good.resize(kTriples);
    AtLeastOf("cycle_3", "3-way cycle consistency",
              good.size() < 3 ? kNone : ThreeWayCycleConsistency(good, report_.stride, metric),
              0.5);
  }

  void GoodAndBad() {
    std::map<std::string, std::vector<double>> mean, last;
    std::vector<double> all, rank;
    for (size_t i = 0; i < clips_.size(); ++i) {
      const bool known = std::find(known_.begin(), known_.end(), i) != known_.end();
      if (known || rewards_[i].empty() || !kLabelRank.contains(clips_[i].label)) continue;
      mean[clips_[i].label].push_back(MeanOf(rewards_[i]));
      last[clips_[i].label].push_back(rewards_[i].back());
      all.push_back(MeanOf(rewards_[i]));
      rank.push_back(kLabelRank.at(clips_[i].label));
    }
    AtLeastOf("auroc_near_miss", "AUROC good / near miss, mean reward",
              Auroc(mean["good"], mean["near_miss"]), 0.9);
    AtLeastOf("auroc_random", "AUROC good / random, mean reward",
              Auroc(mean["good"], mean["random"]), 0.9);
    Add("auroc_near_miss_last", "AUROC good / near miss, last reward",
        Auroc(last["good"], last["near_miss"]), "1, says little");
    AtLeastOf("order", "random < near miss < good, Spearman of mean rewards", Spearman(all, rank),
              0.8);
    const double low = QuantileOf(mean["random"], 0.5), middle = QuantileOf(mean["near_miss"], 0.5),
                 high = QuantileOf(mean["good"], 0.5);
    const bool measurable = !std::isnan(low) && !std::isnan(middle);
    Add("order_medians", "the three medians are in this order",
        measurable ? static_cast<double>(low < middle && middle < high) : kNone, "1",
        low < middle && middle < high ? 1 : -1);
  }

  void Robustness() {
    const auto fall = [&](auto disturb) {
      return voc_ - MeanOf(VocOf(*model_, [&](size_t i) {
               return Embed(*embedder_, disturb(clips_[i].frames), options_.chunk_size);
             }));
    };
    AtMostOf("camera_fall",
             fmt::format("VOC lost by turning frames +-{} degrees", report_.camera_degrees),
             fall([&](const torch::Tensor& f) { return Turned(f, report_.camera_degrees, rng_); }),
             0.05);
    AtMostOf("light_fall", fmt::format("VOC lost by light +-{:.0f} %", 100 * report_.light),
             fall([&](const torch::Tensor& f) { return Relit(f, report_.light, rng_); }), 0.05);
  }

  void Collapse() {
    const auto all = torch::cat(z_).to(torch::kFloat).narrow(1, 0, encoder_->embedding_dim());
    Add("effective_dims", "effective dimensions of the embedding", EffectiveDimensions(all),
        "above 1", EffectiveDimensions(all) > 1.01 ? 1 : -1);
    Add("normalized_std", "deviation of its unit vectors", NormalizedStd(all),
        fmt::format("up to {:.3f}", 1 / std::sqrt(static_cast<double>(all.size(1)))));
    if (!HasGoal(options_)) return;
    std::vector<torch::Tensor> good;
    for (const size_t i : known_) {
      good.push_back(z_[i].narrow(1, 0, encoder_->embedding_dim()).to(device_, torch::kFloat));
    }
    const auto spread =
        MeasureGoalSpread(options_.goal, MakeDistance(options_.distance, encoder_), good);
    Add("goal_spread", "goal spread / start-goal distance", spread.ratio(),
        options_.goal.kind == "mean" ? "<= 0.5" : "",
        options_.goal.kind == "mean" ? (spread.ratio() <= 0.5 ? 1 : -1) : 0);
  }

  void Truth() {
    std::vector<double> rewards, distance, wrong;
    for (size_t i = 0; i < clips_.size(); ++i) {
      const bool known = std::find(known_.begin(), known_.end(), i) != known_.end();
      if (known || rewards_[i].empty() || clips_[i].true_distance.empty()) continue;
      const auto control =
          wrong_ != nullptr ? Rewards(*wrong_, z_[i], Last(z_[i])) : std::vector<double>();
      for (size_t t = 0; t < rewards_[i].size(); ++t) {
        const double truth = clips_[i].true_distance[t + 1];
        if (std::isnan(truth)) continue;
        rewards.push_back(rewards_[i][t]);
        distance.push_back(truth);
        if (wrong_ != nullptr) wrong.push_back(control[t]);
        result_.truth.emplace_back(truth, rewards_[i][t]);
      }
    }
    if (rewards.empty()) return;
    const auto right = CorrelateWithTruth(rewards, distance, report_.near);
    Add("correlation_near", fmt::format("correlation with the truth within {} m", report_.near),
        right.near, "high");
    Add("correlation_broad", "correlation with the truth, all states", right.broad, "high");
    if (wrong_ != nullptr) {
      const double control = CorrelateWithTruth(wrong, distance, report_.near).broad;
      Add("correlation_wrong_goal", "the same with a wrong goal", control, "lower",
          control < right.broad ? 1 : -1);
    }
    Add("top_true_distance",
        fmt::format("true distance of the {:g} % best rewarded (m)", 100 * report_.top_share),
        TopTrueDistance(rewards, distance, report_.top_share), "low");
    Add("truth_states", "states with a known distance", static_cast<double>(rewards.size()));
  }

  RewardReport& result_;
  RewardOptions options_;
  std::shared_ptr<const Encoder> encoder_;
  torch::Device device_;
  const std::vector<ReportClip>& clips_;
  const RewardReportOptions& report_;
  Rng rng_;
  std::unique_ptr<RewardModel> model_, wrong_;
  std::optional<Embedder> embedder_;
  DemoFeatures demos_;
  std::vector<size_t> known_, held_;  // good clips the reward is calibrated with, and the others
  std::vector<torch::Tensor> z_;      // of each clip
  std::vector<std::vector<double>> rewards_;
  bool goal_per_episode_ = false;
  double voc_ = kNone;
};

}  // namespace

std::string ReportMeasure::Text() const {
  if (std::isnan(value)) return "n/a";
  const bool count = value >= 2 && value == std::floor(value);
  return count ? fmt::format("{:.0f}", value) : fmt::format("{:.3f}", value);
}

const ReportMeasure* RewardReport::Find(const std::string& key) const {
  for (const ReportMeasure& measure : measures) {
    if (measure.key == key) return &measure;
  }
  return nullptr;
}

double RewardReport::Value(const std::string& key) const {
  const ReportMeasure* measure = Find(key);
  return measure == nullptr ? kNone : measure->value;
}

RewardReport MeasureReward(const std::string& name, const RewardOptions& options,
                           std::shared_ptr<const Encoder> encoder, const torch::Device& device,
                           const std::vector<ReportClip>& clips,
                           const RewardReportOptions& report) {
  if (!NeedsFrames(options))
    ThrowUser("the true reward has no quality report: choose a learned reward.name");
  for (const ReportClip& clip : clips) {
    const auto frames = static_cast<size_t>(clip.frames.size(0));
    if (frames < 2) ThrowUser("{}: a clip of one frame has no step to reward", clip.name);
    if (!clip.true_distance.empty() && clip.true_distance.size() != frames) {
      ThrowUser("{}: {} frames and {} true distances", clip.name, frames,
                clip.true_distance.size());
    }
  }
  const torch::NoGradGuard no_grad;
  RewardReport result;
  result.name = name;
  Measurement(result, options, std::move(encoder), device, clips, report).Run();
  return result;
}

std::string ReportTable(const std::vector<RewardReport>& reports) {
  std::vector<std::vector<std::string>> rows = {{"measure"}};
  const RewardReport* longest = nullptr;
  for (const RewardReport& report : reports) {
    rows[0].push_back(report.name);
    if (report.error.empty() &&
        (longest == nullptr || report.measures.size() > longest->measures.size())) {
      longest = &report;
    }
  }
  rows[0].push_back("wanted");
  if (longest == nullptr) return "";
  for (const ReportMeasure& measure : longest->measures) {
    std::vector<std::string> row = {measure.title};
    for (const RewardReport& report : reports) {
      const ReportMeasure* found = report.Find(measure.key);
      row.push_back(found == nullptr ? "n/a" : found->Text());
    }
    row.push_back(measure.wanted);
    rows.push_back(std::move(row));
  }
  return Table(rows);
}

}  // namespace v2r
