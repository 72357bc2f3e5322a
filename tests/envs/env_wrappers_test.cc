// Action repeat, rescaled actions, stacked observations: alone on a task that only counts, and
// under the vector env.
#include "envs/env_wrappers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/mujoco_vector_env.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

using testing::Each;
using testing::ElementsAre;

// obs = (steps taken, action); reward 1 a step; bounds [-2, 4]; ends by itself after `end` steps.
class Steps : public Env {
 public:
  explicit Steps(int end = 1000) : end_(end) {
    spec_.model = OwnModel("reach.xml");
    spec_.obs_dim = 2;
    spec_.act_low = {-2, -2};
    spec_.act_high = {4, 4};
    spec_.max_episode_steps = 10;
    spec_.control_dt = 0.04;
    spec_.info = {{"step"}};
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel*) override {}
  void Reset(Sim sim, Rng&, EnvRow row) override {
    if (sim.data != nullptr) mj_forward(sim.model, sim.data);
    taken_ = 0;
    Write(row, 0);
  }
  void Step(Sim, std::span<const float> action, EnvRow row) override {
    ++taken_;
    Write(row, action[0]);
    row.reward = 1;
    row.terminated = taken_ >= end_;
    row.success = taken_ == 2;
    row.info[0] += taken_;
  }
  void Expert(Sim, ExpertSkill, Rng&, std::span<float> action) override {
    action[0] = 4;
    action[1] = 1;
  }
  std::span<double> Memory() override { return {&taken_, 1}; }
  void Restored(Sim) override {}

 private:
  void Write(EnvRow row, float action) const {
    row.obs[0] = static_cast<float>(taken_);
    row.obs[1] = action;
  }
  EnvSpec spec_;
  double taken_ = 0;
  int end_;
};

// One env and the row it writes to.
struct Bench {
  explicit Bench(std::unique_ptr<Env> made) : env(std::move(made)), obs(env->Spec().obs_dim) {}
  EnvRow Row() { return {obs, reward, terminated, truncated, success, info}; }
  void Reset() {
    Rng rng(1);
    env->Reset({}, rng, Row());
  }
  void Step(float action) {
    reward = 0;
    terminated = truncated = success = 0;
    info = {0};
    const std::vector<float> actions = {action, action};
    env->Step({}, actions, Row());
  }
  std::unique_ptr<Env> env;
  std::vector<float> obs;
  std::vector<double> info = {0};
  double reward = 0;
  uint8_t terminated = 0, truncated = 0, success = 0;
};

TEST(EnvWrappers, NothingAskedForNothingDone) {
  auto env = std::make_unique<Steps>();
  const Env* before = env.get();
  EXPECT_EQ(WrapEnv(std::move(env), {}).get(), before);
}

TEST(EnvWrappers, ActionRepeatAddsRewardsUpAndStopsWhereTheEpisodeEnds) {
  EnvOptions options;
  options.action_repeat = 3;
  Bench bench(WrapEnv(std::make_unique<Steps>(5), options));
  EXPECT_EQ(bench.env->Spec().max_episode_steps, 4) << "10 / 3, rounded up";
  EXPECT_DOUBLE_EQ(bench.env->Spec().control_dt, 0.12);
  bench.Reset();
  bench.Step(2);
  EXPECT_THAT(bench.obs, ElementsAre(3, 2));
  EXPECT_EQ(bench.reward, 3);
  EXPECT_EQ(bench.terminated, 0);
  EXPECT_EQ(bench.success, 0) << "of the last step, not of the second";
  EXPECT_THAT(bench.info, ElementsAre(3));
  bench.Step(2);
  EXPECT_EQ(bench.reward, 2);
  EXPECT_EQ(bench.terminated, 1);
  EXPECT_THAT(bench.obs, ElementsAre(5, 2));
}

TEST(EnvWrappers, RescaleActionMapsOntoTheBounds) {
  EnvOptions options;
  options.rescale_action = true;
  Bench bench(WrapEnv(std::make_unique<Steps>(), options));
  EXPECT_THAT(bench.env->Spec().act_low, Each(-1));
  EXPECT_THAT(bench.env->Spec().act_high, Each(1));
  bench.Reset();
  for (const auto& [action, wanted] : {std::pair{-1.f, -2.f}, {0.f, 1.f}, {1.f, 4.f}}) {
    bench.Step(action);
    EXPECT_EQ(bench.obs[1], wanted);
  }
  Rng rng(1);
  std::vector<float> action(2);
  bench.env->Expert({}, ExpertSkill::kGood, rng, action);
  EXPECT_THAT(action, ElementsAre(1, 0));
}

TEST(EnvWrappers, FrameStackHoldsTheLastObservations) {
  EnvOptions options;
  options.frame_stack = 3;
  Bench bench(WrapEnv(std::make_unique<Steps>(), options));
  bench.Reset();
  EXPECT_THAT(bench.obs, ElementsAre(0, 0, 0, 0, 0, 0));
  bench.Step(1);
  bench.Step(2);
  EXPECT_THAT(bench.obs, ElementsAre(0, 0, 1, 1, 2, 2));
  const auto memory = bench.env->Memory();
  const std::vector<double> kept(memory.begin(), memory.end());
  bench.Step(3);
  EXPECT_THAT(bench.obs, ElementsAre(1, 1, 2, 2, 3, 3));
  const auto again = bench.env->Memory();
  std::copy(kept.begin(), kept.end(), again.begin());
  bench.env->Restored({});
  bench.Step(4);
  EXPECT_THAT(bench.obs, ElementsAre(1, 1, 2, 2, 3, 4)) << "continues after step 2";
  bench.Reset();
  EXPECT_THAT(bench.obs, Each(0));
  bench.env->Memory();
  bench.Reset();
  bench.Step(1);
  bench.env->Restored({});
  bench.Step(1);
  EXPECT_EQ(bench.obs[4], 2) << "what an earlier Memory() handed out is forgotten";
}

TEST(EnvWrappers, UnderTheVectorEnvTheyContinueBitForBit) {
  EnvOptions options = Small("v2r/reach_goal", 3);
  options.max_episode_steps = 6;
  const auto plain = MakeVectorEnv(options);
  options.action_repeat = 2;
  options.frame_stack = 2;
  options.rescale_action = true;
  const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
  EXPECT_EQ(env->Spec().obs_dim, 2 * plain->Spec().obs_dim);
  EXPECT_EQ(env->Spec().max_episode_steps, 6) << "steps of the agent";
  Roll(*env, 4, 8);
  StateDict state;
  env->SaveState(state);
  Roll(*other, 5, 3);
  other->LoadState(state);
  Rng rng(1);
  for (int t = 0; t < 14; ++t) {
    const auto actions = RandomActions(env->Spec(), rng);
    ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << t;
  }
}

TEST(EnvWrappers, WhatATaskReadsFromItsModelIsWrappedToo) {
  EnvOptions options = Small("gym/InvertedPendulum-v5", 2);
  const auto plain = MakeVectorEnv(options);
  options.frame_stack = 2;
  options.rescale_action = true;
  options.action_repeat = 4;
  const auto env = MakeVectorEnv(options);
  EXPECT_THAT(plain->Spec().act_high, ElementsAre(3));
  EXPECT_THAT(env->Spec().act_high, ElementsAre(1));
  EXPECT_EQ(env->Spec().obs_dim, 2 * plain->Spec().obs_dim);
  EXPECT_DOUBLE_EQ(env->Spec().control_dt, 4 * plain->Spec().control_dt);
  EXPECT_EQ(env->Spec().max_episode_steps, 250);
  env->Reset(1), plain->Reset(1);
  Seen last;
  for (int k = 0; k < 4; ++k) last = Look(plain->Step(std::vector<float>{0.375f, -0.375f}));
  const Seen seen = Look(env->Step(std::vector<float>{0.125f, -0.125f}));
  EXPECT_EQ(RowOf(seen.next_obs, 1, 8)[4], RowOf(last.next_obs, 1, 4)[0]);
  EXPECT_EQ(seen.env_reward[0], 4);
}

TEST(EnvWrappers, ClipActionOffHandsActionsOverAsTheyAre) {
  EnvOptions options = Small("steps", 2);
  for (const bool clip : {true, false}) {
    options.clip_action = clip;
    MujocoVectorEnv env(options, [] { return std::make_unique<Steps>(); });
    env.Reset(1);
    const std::vector<float> actions = {7, 7, -7, -7};
    const Seen seen = Look(env.Step(actions));
    EXPECT_EQ(seen.next_obs[1], clip ? 4 : 7);
    EXPECT_EQ(seen.next_obs[3], clip ? -2 : -7);
  }
}

}  // namespace
}  // namespace v2r
