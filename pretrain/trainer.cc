#include "pretrain/trainer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/text.h"
#include "media/loader.h"
#include "models/vit.h"
#include "pretrain/checkpoint.h"
#include "pretrain/method.h"
#include "pretrain/monitor.h"
#include "pretrain/pictures.h"
#include "pretrain/probe.h"
#include "pretrain/registry.h"
#include "pretrain/setup.h"
#include "pretrain/step.h"

namespace v2r {
namespace {

constexpr int64_t kInitFrames = 512;   // data-dependent initialisation and the heads' statistics
constexpr int64_t kProbeFrames = 256;  // collapse watch
constexpr int kThreadsPerMaker = 4, kMostMakers = 8;
constexpr char kWhat[] = "pretraining checkpoint";

// Means of what a step reports, over the steps since the last row.
class MeanMetrics {
 public:
  void Add(const std::string& name, double value) { sums_[name] += value; }
  void EndStep() { ++count_; }
  Metrics Take() {
    Metrics means;
    for (const auto& [name, sum] : sums_) means[name] = sum / static_cast<double>(count_);
    sums_.clear();
    count_ = 0;
    return means;
  }
  StateDict Save() const {
    StateDict state = {{"count", Blob::Scalar(count_)}};
    for (const auto& [name, sum] : sums_) state["sum." + name] = Blob::Scalar(sum);
    return state;
  }
  void Load(const StateDict& state) {
    count_ = RequireScalar<int64_t>(state, "count", kWhat);
    const StateDict sums = Under(state, "sum");
    for (const auto& [name, sum] : sums) sums_[name] = RequireScalar<double>(sums, name, kWhat);
  }

 private:
  Metrics sums_;
  int64_t count_ = 0;
};

// Who has the cores when. On a CPU the optimiser's step and the makers of batches take turns, each
// with all of torch's threads: at once, two teams on two cores are ten times slower than one thread
// each, and with a thread each the one that is done first waits. Beside an accelerator batches are
// made ahead.
struct CoreShares {
  explicit CoreShares(const torch::Device& device)
      : threads(at::get_num_threads()),
        makers(std::clamp(device.is_cpu() ? threads : threads / kThreadsPerMaker, 1, kMostMakers)),
        ahead(device.is_cpu() ? makers : makers + 1),
        mode(device.is_cpu() ? LoaderMode::kBursts : LoaderMode::kAhead) {}
  const int threads;  // of torch in a step
  const int makers;
  const int64_t ahead;
  const LoaderMode mode;
};

class Training {
 public:
  Training(const PretrainOptions& options, const EncoderSpec& spec, const ClipSet& clips,
           const std::filesystem::path& encoder_path, const torch::Device& device,
           const PretrainCallbacks& callbacks)
      : options_(options),
        callbacks_(callbacks),
        rng_(static_cast<uint64_t>(options.seed)),
        encoder_path_(encoder_path),
        checkpoint_path_(CheckpointPath(encoder_path)),
        device_(device),
        cores_(device) {
    CheckOptions(options_);
    Rng net_rng = rng_.Fork("net");
    StartingNet start = MakeStartingNet(options_, spec, net_rng);
    if (start.net->parameters().empty()) {
      ThrowUser("encoder.arch={} has no weights: there is nothing to pretrain, use it as it is",
                start.net->spec().arch);
    }
    old_heads_ = std::move(start.heads);
    start.net->to(device_);
    clips_ = SelectClips(options_, start.net->spec(), clips);
    if (options_.monitor_frames > 0) {
      monitor_ = ClassMonitor::Take(clips_, options_.monitor_frames, start.net->spec(),
                                    rng_.Fork("monitor"), device_);
    }
    if (options_.precision == "fp16") scaler_.emplace(options_.grad_scaler, device_);
    settings_ = SettingsOf(options_, start.net->spec(), clips_);
    Rng head_rng = rng_.Fork("heads");
    method_ = PretrainMethods().Make(options_.method, options_, start.net, head_rng);
    const torch::Tensor demos = Demos(kInitFrames);
    if (start.net->spec().background == "subtract" && options_.init_from.empty()) {
      const auto vit = std::dynamic_pointer_cast<VitImpl>(start.net);
      V2R_CHECK(vit != nullptr, "a background for {}", start.net->spec().arch);
      vit->SetBackground(Normalise(start.net->spec(), demos));
    }
    if (options_.data_dependent_init && options_.init_from.empty()) Initialise(*start.net, demos);
    if (options_.iterations > 0) method_->Prepare(clips_, demos);
    optimizer_ = MakeOptimizer(options_, method_->Parameters(), [this](const torch::Tensor& p) {
      return method_->LearningRateScale(p);
    });
    probe_ = std::make_unique<EmbeddingProbe>(Normalise(start.net->spec(), Demos(kProbeFrames)),
                                              Metric());
  }

  PretrainResult Run(const std::map<std::string, std::string>& info) {
    PretrainResult result;
    result.encoder_path = encoder_path_;
    Resume();
    result.resumed_from = done_;
    if (done_ == 0) row_ = Watch();
    if (options_.iterations == 0) {
      if (callbacks_.on_metrics) callbacks_.on_metrics(0, row_);
    } else {
      Loop();
    }
    WriteEncoder(info);
    std::filesystem::remove(checkpoint_path_);
    result.final_metrics = row_;
    result.seconds = watch_.Seconds();
    return result;
  }

 private:
  // Demonstration frames (all labels), plain: float [M,3S,H,W] in [0,1].
  torch::Tensor Demos(int64_t count) const {
    const auto frames = SpreadFrames(clips_, count);
    return PlainViews(clips_, frames, method_->encoder()->spec()).to(device_);
  }

  Metrics Watch() {
    Metrics row = probe_->Measure(*method_->encoder());
    if (!monitor_) return row;
    row.merge(monitor_->Measure(*method_->encoder(), options_.monitor_linear));
    if (options_.iterations > 0 && monitor_->labelled()) {
      row.merge(method_->Validate(monitor_->queries(), monitor_->query_targets()));
    }
    return row;
  }

  // What the file will say: nothing trained, nothing changed.
  std::string Metric() const {
    return options_.iterations > 0 ? method_->metric() : method_->encoder()->spec().metric;
  }

  void Initialise(EncoderNetImpl& net, const torch::Tensor& demos) {
    if (!net.last_linear()) {
      ThrowUser(
          "pretrain.data_dependent_init=true needs a last linear layer to rescale, and "
          "encoder.embedding_dim is 0. Set "
          "embedding_dim, or data_dependent_init=false");
    }
    // In the mode in which the net is used first: BatchNorm's own statistics do not exist yet while
    // it trains.
    const bool training = net.is_training();
    net.train(options_.iterations > 0 && !options_.freeze_encoder);
    DataDependentInit(net, Normalise(net.spec(), demos));
    net.train(training);
  }

  void Resume() {
    const auto state = LoadCheckpoint(checkpoint_path_, settings_);
    if (!state) return;
    done_ = RequireScalar<int64_t>(*state, "iteration", kWhat);
    const auto threads = RequireScalar<int64_t>(*state, "torch_threads", kWhat);
    if (threads != cores_.threads) {
      LogWarn(
          "the checkpoint was made with {} torch threads, now {}: the continuation is not bit for "
          "bit",
          threads, cores_.threads);
    }
    method_->LoadState(Under(*state, "method"));
    LoadOptimizer(*optimizer_, Under(*state, "optimizer"), kWhat);
    if (scaler_) scaler_->Load(Under(*state, "grad_scaler"), kWhat);
    probe_->Load(Under(*state, "probe"));
    means_.Load(Under(*state, "means"));
    LogInfo("continuing pretraining at iteration {} of {} ({})", done_, options_.iterations,
            checkpoint_path_.string());
  }

  void Checkpoint() const {
    StateDict state = {{"iteration", Blob::Scalar(done_)},
                       {"torch_threads", Blob::Scalar(static_cast<int64_t>(cores_.threads))}};
    Merge(state, "method", method_->SaveState());
    Merge(state, "optimizer", SaveOptimizer(*optimizer_));
    if (scaler_) Merge(state, "grad_scaler", scaler_->Save());
    Merge(state, "means", means_.Save());
    StateDict probe;
    probe_->Save(probe);
    Merge(state, "probe", std::move(probe));
    SaveCheckpoint(checkpoint_path_, state, settings_);
  }

  void Loop() {
    const int64_t total = options_.iterations;
    Progress progress("pretraining " + options_.method, total);
    // Each batch is augmented on one thread.
    Loader<PretrainBatch> loader([this](Rng& rng) { return method_->Views(clips_, rng); },
                                 rng_.Fork("views"), done_ * options_.gradient_accumulation_steps,
                                 cores_.ahead, cores_.makers, cores_.mode);
    Stopwatch since_row;
    double waited = 0;
    int64_t row_start = done_;
    std::string note;
    while (done_ < total) {
      if (InterruptRequested()) {
        Checkpoint();
        LogInfo(
            "interrupted at iteration {} of {}: call again with the same settings to continue ({})",
            done_, total, checkpoint_path_.string());
        PollInterrupt();
      }
      const double rate = Step([&] {
        const Stopwatch wait;
        PretrainBatch batch = loader.Next();
        waited += wait.Seconds();
        for (auto& [name, tensor] : batch.tensors) tensor = tensor.to(device_);
        return batch;
      });
      ++done_;
      if (done_ % options_.log_every == 0 || done_ == total) {
        row_ = means_.Take();
        row_["pretrain/learning_rate"] = rate;
        row_.merge(Watch());
        const double seconds = since_row.Seconds();
        row_["time/samples_per_second"] =
            static_cast<double>((done_ - row_start) * options_.batch_size *
                                options_.gradient_accumulation_steps) /
            seconds;
        row_["time/loader_share"] = waited / seconds;
        note = fmt::format("loss {:.4g}", row_.at("pretrain/loss"));
        if (monitor_) note += fmt::format(", kNN {:.1f} %", 100 * row_.at("pretrain/knn_acc"));
        since_row.Restart();
        waited = 0;
        row_start = done_;
        if (callbacks_.on_metrics) callbacks_.on_metrics(done_, row_);
      }
      progress.Update(done_, note);
      const bool due = options_.checkpoint_every > 0 && done_ % options_.checkpoint_every == 0;
      if (due && done_ < total) Checkpoint();
    }
  }

  // One optimiser step; returns its step size.
  double Step(const NextBatch& next) {
    const StepOutcome outcome =
        PretrainStep(options_, *method_, *optimizer_, next, done_, scaler_ ? &*scaler_ : nullptr);
    means_.Add("pretrain/loss", outcome.loss);
    for (const auto& [name, value] : outcome.metrics) means_.Add(name, value);
    means_.EndStep();
    return outcome.learning_rate;
  }

  void WriteEncoder(const std::map<std::string, std::string>& info) {
    EncoderNet net = method_->encoder();
    EncoderSpec spec = net->spec();
    spec.metric = Metric();
    std::map<std::string, Head> heads;
    if (options_.freeze_encoder) heads = old_heads_;
    std::map<std::string, std::string> facts = info;
    if (options_.iterations > 0) {
      const auto trained = method_->heads();
      for (const auto& [name, head] : trained) heads[name] = head;
      if (trained.contains("classifier") && !clips_.classes.empty()) {
        facts["classes"] = Join(clips_.classes, ", ");
      }
    }
    const EncoderParts parts = options_.iterations > 0 ? method_->parts() : EncoderParts{};
    // The file's spec names the metric that was trained: a copy carries it.
    Rng unused(0);
    const EncoderNet out = MakeEncoderNet(spec, unused);
    LoadModuleState(*out, ModuleState(*net), "trained encoder");
    facts["method"] = options_.method;
    facts["iterations"] = fmt::format("{}", options_.iterations);
    facts["seed"] = fmt::format("{}", options_.seed);
    facts["clips"] = fmt::format("{}", clips_.clips.size());
    facts["frames"] = fmt::format("{}", clips_.TotalFrames());
    if (!options_.init_from.empty()) {
      facts["init_from"] = std::filesystem::path(options_.init_from).filename().string();
    }
    SaveEncoder(encoder_path_, *out, heads, facts, parts);
  }

  const PretrainOptions options_;
  const PretrainCallbacks callbacks_;
  const Rng rng_;
  const std::filesystem::path encoder_path_;
  const std::filesystem::path checkpoint_path_;
  const torch::Device device_;
  const CoreShares cores_;
  Stopwatch watch_;
  std::map<std::string, Head> old_heads_;  // of the init_from file
  ClipSet clips_;
  RunSettings settings_;
  std::unique_ptr<Pretrainer> method_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::optional<GradScaler> scaler_;  // fp16 alone
  std::unique_ptr<EmbeddingProbe> probe_;
  std::optional<ClassMonitor> monitor_;
  MeanMetrics means_;
  Metrics row_;
  int64_t done_ = 0;  // iterations
};

}  // namespace

PretrainResult Pretrain(const PretrainOptions& options, const EncoderSpec& encoder_spec,
                        const ClipSet& clips, const std::filesystem::path& encoder_path,
                        const torch::Device& device, const PretrainCallbacks& callbacks,
                        const std::map<std::string, std::string>& info) {
  return Training(options, encoder_spec, clips, encoder_path, device, callbacks).Run(info);
}

}  // namespace v2r
