#include "envs/env_wrappers.h"

#include <algorithm>
#include <utility>

namespace v2r {
namespace {

// Forwards everything.
class EnvWrapper : public Env {
 public:
  explicit EnvWrapper(std::unique_ptr<Env> inner)
      : inner_(std::move(inner)), spec_(inner_->Spec()) {}
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel* model) override { inner_->Bind(model); }
  void Reset(Sim sim, Rng& rng, EnvRow row) override { inner_->Reset(sim, rng, row); }
  void Enter(Sim sim, EnvRow row) override { inner_->Enter(sim, row); }
  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    inner_->Step(sim, action, row);
  }
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    inner_->Expert(sim, skill, rng, action);
  }
  double TrueDistance(Sim sim) const override { return inner_->TrueDistance(sim); }
  void PoseGoal(Sim sim) override { inner_->PoseGoal(sim); }
  std::span<double> Memory() override { return inner_->Memory(); }
  void Restored(Sim sim) override { inner_->Restored(sim); }

 protected:
  std::unique_ptr<Env> inner_;
  EnvSpec spec_;
};

class ActionRepeat : public EnvWrapper {
 public:
  ActionRepeat(std::unique_ptr<Env> inner, int64_t times)
      : EnvWrapper(std::move(inner)), times_(times) {
    spec_.control_dt *= static_cast<double>(times);
    spec_.max_episode_steps = (spec_.max_episode_steps + times - 1) / times;
  }
  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    double sum = 0;
    for (int64_t k = 0; k < times_ && !row.terminated; ++k) {
      row.reward = 0;
      row.success = 0;
      std::fill(row.info.begin(), row.info.end(), 0.0);
      inner_->Step(sim, action, row);
      sum += row.reward;
    }
    row.reward = sum;
  }

 private:
  int64_t times_;
};

class RescaleAction : public EnvWrapper {
 public:
  explicit RescaleAction(std::unique_ptr<Env> inner)
      : EnvWrapper(std::move(inner)), scaled_(spec_.act_low.size()) {
    std::fill(spec_.act_low.begin(), spec_.act_low.end(), -1.f);
    std::fill(spec_.act_high.begin(), spec_.act_high.end(), 1.f);
  }
  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    for (size_t j = 0; j < scaled_.size(); ++j) {
      const double low = inner_->Spec().act_low[j], high = inner_->Spec().act_high[j];
      scaled_[j] = static_cast<float>(low + (high - low) * (action[j] + 1.0) / 2);
    }
    inner_->Step(sim, scaled_, row);
  }
  void Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) override {
    inner_->Expert(sim, skill, rng, action);
    for (size_t j = 0; j < scaled_.size(); ++j) {
      const double low = inner_->Spec().act_low[j], high = inner_->Spec().act_high[j];
      action[j] = static_cast<float>(2 * (action[j] - low) / (high - low) - 1);
    }
  }

 private:
  std::vector<float> scaled_;
};

class FrameStack : public EnvWrapper {
 public:
  FrameStack(std::unique_ptr<Env> inner, int64_t depth)
      : EnvWrapper(std::move(inner)), width_(spec_.obs_dim), last_(width_) {
    spec_.obs_dim *= depth;
  }
  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    Begin(row, [&](EnvRow inner) { inner_->Reset(sim, rng, inner); });
  }
  void Enter(Sim sim, EnvRow row) override {
    Begin(row, [&](EnvRow inner) { inner_->Enter(sim, inner); });
  }
  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    handed_out_ = false;
    inner_->Step(sim, action, InnerRow(row));
    double* stack = Stack();
    std::copy(stack + width_, stack + spec_.obs_dim, stack);
    std::copy(last_.begin(), last_.end(), stack + spec_.obs_dim - width_);
    std::copy(stack, stack + spec_.obs_dim, row.obs.begin());
  }
  // The stack comes first, then what the task keeps.
  std::span<double> Memory() override {
    const auto kept = inner_->Memory();
    memory_.resize(spec_.obs_dim + kept.size());
    std::copy(kept.begin(), kept.end(), memory_.begin() + spec_.obs_dim);
    handed_out_ = true;
    return memory_;
  }
  void Restored(Sim sim) override {
    if (handed_out_) {  // and perhaps written to since
      const auto kept = inner_->Memory();
      std::copy_n(memory_.begin() + spec_.obs_dim, kept.size(), kept.begin());
      handed_out_ = false;
    }
    inner_->Restored(sim);
  }

 private:
  EnvRow InnerRow(EnvRow row) {
    return {last_, row.reward, row.terminated, row.truncated, row.success, row.info};
  }
  template <typename Start>
  void Begin(EnvRow row, Start start) {
    handed_out_ = false;
    start(InnerRow(row));
    double* stack = Stack();
    for (int64_t k = 0; k < spec_.obs_dim; ++k) {
      stack[k] = last_[k % width_];
      row.obs[k] = last_[k % width_];
    }
  }
  double* Stack() {
    if (memory_.empty()) memory_.resize(spec_.obs_dim);
    return memory_.data();
  }

  int64_t width_;
  std::vector<float> last_;     // the task's newest observation
  std::vector<double> memory_;  // [spec_.obs_dim] the stack, then room for the task's memory
  bool handed_out_ = false;     // by Memory(), and nothing has happened since
};

}  // namespace

std::unique_ptr<Env> WrapEnv(std::unique_ptr<Env> env, const EnvOptions& options) {
  if (options.action_repeat > 1) {
    env = std::make_unique<ActionRepeat>(std::move(env), options.action_repeat);
  }
  if (options.rescale_action) env = std::make_unique<RescaleAction>(std::move(env));
  if (options.frame_stack > 1) {
    env = std::make_unique<FrameStack>(std::move(env), options.frame_stack);
  }
  return env;
}

}  // namespace v2r
