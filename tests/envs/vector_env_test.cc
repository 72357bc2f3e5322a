// The vector env's own semantics: autoreset, errors, MuJoCo's messages, allocation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "envs/mujoco_vector_env.h"
#include "tests/envs/counting_new.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

using testing::Each;
using testing::HasSubstr;

EnvOptions Short(const std::string& autoreset) {
  EnvOptions options = Small("v2r/reach", 3);
  options.max_episode_steps = 4;
  options.autoreset = autoreset;
  return options;
}

TEST(Autoreset, SameStepShowsBothStates) {
  const auto env = MakeVectorEnv(Short("same_step"));
  EnvOptions longer = Short("same_step");
  longer.max_episode_steps = 50;
  const auto through = MakeVectorEnv(longer);
  const auto seen = Roll(*env, 1, 8), uncut = Roll(*through, 1, 8);
  for (int t = 1; t <= 4; ++t) {
    EXPECT_EQ(seen[t].next_obs, uncut[t].next_obs) << "next_obs comes before the reset";
    EXPECT_EQ(seen[t].reward, uncut[t].reward);
  }
  EXPECT_NE(seen[4].obs, seen[4].next_obs);
  EXPECT_THAT(seen[4].episode_id, Each(0)) << "the episode the step belonged to";
  EXPECT_THAT(seen[5].episode_id, Each(1));
  EXPECT_THAT(seen[5].episode_step, Each(1));
}

TEST(Autoreset, NextStepIgnoresTheActionAfterTheEnd) {
  const auto env = MakeVectorEnv(Short("next_step")), same = MakeVectorEnv(Short("same_step"));
  const auto seen = Roll(*env, 1, 10), reference = Roll(*same, 1, 10);
  EXPECT_THAT(seen[4].truncated, Each(1));
  EXPECT_EQ(seen[4].obs, seen[4].next_obs) << "the last state";
  EXPECT_EQ(seen[4].next_obs, reference[4].next_obs);
  EXPECT_EQ(seen[5].obs, reference[4].obs) << "the first state of episode 1, whatever the action";
  EXPECT_EQ(seen[5].obs, seen[5].next_obs);
  EXPECT_THAT(seen[5].reward, Each(0.f));
  EXPECT_THAT(seen[5].truncated, Each(0));
  EXPECT_THAT(seen[5].episode_step, Each(0));
  EXPECT_THAT(seen[5].episode_id, Each(1));
  EXPECT_THAT(seen[9].truncated, Each(1));
}

TEST(Autoreset, DisabledKeepsTheLastRow) {
  const auto env = MakeVectorEnv(Short("disabled"));
  const auto seen = Roll(*env, 1, 8);
  EXPECT_THAT(seen[4].truncated, Each(1));
  EXPECT_THAT(seen[4].reward, Each(testing::Lt(0.f)));
  for (int t = 5; t <= 8; ++t) {
    EXPECT_EQ(seen[t].obs, seen[4].obs);
    EXPECT_THAT(seen[t].truncated, Each(1));
    EXPECT_THAT(seen[t].reward, Each(0.f));
    EXPECT_THAT(seen[t].episode_step, Each(4));
  }
  EXPECT_THAT(Look(env->Reset(2)).truncated, Each(0));
}

TEST(Autoreset, DisabledRestartsWhomTheMaskNames) {
  const auto env = MakeVectorEnv(Short("disabled")), same = MakeVectorEnv(Short("same_step"));
  const auto ended = Roll(*env, 1, 4), reference = Roll(*same, 1, 4);
  const int64_t width = env->Spec().obs_dim;
  const std::vector<uint8_t> none(3, 0), some = {1, 0, 1};
  EXPECT_TRUE(Look(env->Restart(none)) == ended[4]);
  const Seen seen = Look(env->Restart(some));
  for (int64_t i = 0; i < 3; ++i) {
    const Seen& expected = some[i] ? reference[4] : ended[4];  // the first state of episode 1
    EXPECT_EQ(RowOf(seen.obs, i, width), RowOf(expected.obs, i, width)) << i;
    EXPECT_EQ(RowOf(seen.next_obs, i, width), RowOf(expected.obs, i, width)) << i;
    EXPECT_EQ(seen.truncated[i], !some[i]);
    EXPECT_EQ(seen.episode_step[i], some[i] ? 0 : 4);
    EXPECT_EQ(seen.episode_id[i], some[i] ? 1 : 0);
    EXPECT_EQ(seen.reward[i], some[i] ? 0.f : ended[4].reward[i]);
  }
  const std::vector<float> actions(3 * env->Spec().act_dim, 0.5f);
  const Seen next = Look(env->Step(actions));
  EXPECT_EQ(next.episode_step, (std::vector<int64_t>{1, 4, 1}));
  EXPECT_EQ(next.truncated, (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(RowOf(next.obs, 2, width), RowOf(Look(same->Step(actions)).obs, 2, width));
}

TEST(Autoreset, StateOfNextStepSavesWhoRestarts) {
  const auto env = MakeVectorEnv(Short("next_step")), other = MakeVectorEnv(Short("next_step"));
  Roll(*env, 1, 4);
  StateDict state;
  env->SaveState(state);
  other->LoadState(state);
  Rng rng(3);
  for (int t = 0; t < 6; ++t) {
    const auto actions = RandomActions(env->Spec(), rng);
    ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << t;
  }
}

TEST(Actions, NotANumberNamesEnvAndIndex) {
  const auto env = MakeVectorEnv(Small("v2r/push", 3));
  env->Reset(1);
  std::vector<float> actions(6, 0.f);
  actions[5] = std::numeric_limits<float>::quiet_NaN();
  try {
    env->StepAsync(actions);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("action 1 of env 2 is nan"));
  }
  actions[5] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(env->StepAsync(actions), UserError);
  actions[5] = 0;
  env->Step(actions);  // still usable
}

TEST(Actions, OutsideTheBoundsAreClipped) {
  const auto env = MakeVectorEnv(Small("v2r/push", 2)), other = MakeVectorEnv(Small("v2r/push", 2));
  env->Reset(1);
  other->Reset(1);
  EXPECT_TRUE(Look(env->Step(std::vector<float>{7, -7, 0.5f, 2})) ==
              Look(other->Step(std::vector<float>{1, -1, 0.5f, 1})));
}

// A task that fails in one simulation at its third step.
class Failing : public Env {
 public:
  enum class How { kThrow, kMujocoError };
  Failing(int index, How how) : index_(index), how_(how) {
    spec_.model = OwnModel("reach.xml");
    spec_.obs_dim = 1;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 10;
    spec_.control_dt = 0.04;
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel*) override {}
  void Reset(Sim sim, Rng&, EnvRow row) override {
    mj_forward(sim.model, sim.data);
    row.obs[0] = 0;
  }
  void Step(Sim, std::span<const float>, EnvRow) override {
    if (index_ != 1 || ++steps_ < 3) return;
    if (how_ == How::kThrow) throw UserError("task says no");
    mju_error("engine says no");
  }
  double TrueDistance(Sim) const override { return 0; }

 private:
  EnvSpec spec_;
  int index_, steps_ = 0;
  How how_;
};

// A task that tells the time.
class Telling : public Env {
 public:
  Telling() {
    spec_.model = OwnModel("reach.xml");
    spec_.obs_dim = 1;
    spec_.act_low = {-1, -1};
    spec_.act_high = {1, 1};
    spec_.max_episode_steps = 3;
    spec_.control_dt = 0.02;
    spec_.info = {{"time", 1}};
  }
  const EnvSpec& Spec() const override { return spec_; }
  void Bind(mjModel*) override {}
  void Reset(Sim sim, Rng&, EnvRow row) override {
    mj_forward(sim.model, sim.data);
    row.obs[0] = 0;
  }
  void Step(Sim sim, std::span<const float>, EnvRow row) override {
    mj_step(sim.model, sim.data);
    row.info[0] = sim.data->time;
  }

 private:
  EnvSpec spec_;
};

TEST(Step, IsStepAsyncAndStepWaitWithoutTheHandover) {
  EnvOptions options = Small("gym/InvertedPendulum-v5", 5);
  options.max_episode_steps = 9;
  const auto once = MakeVectorEnv(options), twice = MakeVectorEnv(options);
  once->Reset(4);
  twice->Reset(4);
  Rng rng(6);
  for (int t = 0; t < 30; ++t) {
    const auto actions = RandomActions(once->Spec(), rng);
    twice->StepAsync(actions);
    EXPECT_TRUE(Look(once->Step(actions)) == Look(twice->StepWait())) << t;
  }
}

TEST(Threads, AnyNumberGivesTheSameBits) {
  for (const char* id : {"v2r/push", "gym/Ant-v5", "gym/Hopper-v5", "dmc/cartpole_swingup"}) {
    EnvOptions options = Small(id, 9);
    options.max_episode_steps = 12;
    options.env_threads = 1;
    const auto alone = Roll(*MakeVectorEnv(options), 1, 30);
    for (int threads : {2, 3, 7}) {
      options.env_threads = threads;
      EXPECT_TRUE(Roll(*MakeVectorEnv(options), 1, 30) == alone) << id << " " << threads;
    }
  }
}

TEST(Autoreset, StateOfDisabledSavesWhatTheLastRowTold) {
  EnvOptions options = Small("test/telling", 2);
  options.autoreset = "disabled";
  const auto make = [] { return std::make_unique<Telling>(); };
  MujocoVectorEnv env(options, make), other(options, make);
  Roll(env, 1, 5);
  StateDict state;
  env.SaveState(state);
  other.LoadState(state);
  const std::vector<float> actions(4, 0.f);
  const Seen seen = Look(env.Step(actions));
  EXPECT_THAT(seen.info, Each(testing::DoubleNear(0.06, 1e-9)));
  EXPECT_TRUE(seen == Look(other.Step(actions)));
}

void ExpectFailure(Failing::How how, const std::string& text, bool at_once = false) {
  int made = 0;
  MujocoVectorEnv env(Small("test/failing", 3),
                      [&] { return std::make_unique<Failing>(made++, how); });
  const std::vector<float> actions(6, 0.f);
  env.Reset(1);
  env.Step(actions);
  env.Step(actions);
  if (!at_once) env.StepAsync(actions);
  try {
    at_once ? env.Step(actions) : env.StepWait();
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
  EXPECT_THROW(env.StepAsync(actions), Error) << "half a step was taken: Reset comes first";
  EXPECT_NO_THROW(env.Reset(1));
}

TEST(Failures, ExceptionOfATaskSurfacesAtStepWait) {
  ExpectFailure(Failing::How::kThrow, "task says no");
}
TEST(Failures, ExceptionOfATaskSurfacesInStep) {
  ExpectFailure(Failing::How::kThrow, "task says no", /*at_once=*/true);
}
TEST(Failures, ErrorOfMujocoSurfacesAtStepWait) {
  ExpectFailure(Failing::How::kMujocoError, "engine says no");
}

TEST(Failures, TaskWithoutExpertSaysSo) {
  MujocoVectorEnv env(Small("test/failing", 1),
                      [] { return std::make_unique<Failing>(0, Failing::How::kThrow); });
  env.Reset(1);
  Rng rng;
  std::vector<float> actions(2);
  EXPECT_THROW(env.ExpertActions(ExpertSkill::kGood, rng, actions), UserError);
}

TEST(MujocoMessages, BadStatesAreCountedAndWriteNoFile) {
  const auto env = MakeVectorEnv(Small("v2r/push", 2));
  env->Reset(1);
  EXPECT_EQ(env->Timings().at("env/warnings"), 0);
  StateDict state;
  env->SaveState(state);
  auto* sim = reinterpret_cast<double*>(state["sim"].bytes.data());
  sim[1] = std::numeric_limits<double>::quiet_NaN();  // time, then qpos: the pusher of env 0
  env->LoadState(state);
  const std::vector<float> actions(4, 0.f);
  env->Step(actions);
  EXPECT_EQ(env->Timings().at("env/warnings"), 1);
  env->Step(actions);
  EXPECT_EQ(env->Timings().at("env/warnings"), 1) << "counted once";
  EXPECT_FALSE(std::filesystem::exists("MUJOCO_LOG.TXT"));
}

TEST(MujocoMessages, ErrorsOutsideABatchAreExceptions) {
  InstallMujocoLog();
  EXPECT_THROW(mju_error("no such thing"), Error);
  EXPECT_FALSE(std::filesystem::exists("MUJOCO_LOG.TXT"));
}

TEST(MujocoMessages, MissingModelNamesTheFile) {
  try {
    LoadModel(OwnModel("nowhere.xml"));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("nowhere.xml"));
  }
}

TEST(Allocation, SteppingAllocatesNothing) {
  for (const std::string& id : EnvNames()) {
    EnvOptions options = Busy(Small(id, 4));
    options.max_episode_steps = 5;
    const auto env = MakeVectorEnv(options);
    Rng rng(1);
    auto actions = RandomActions(env->Spec(), rng);
    env->Reset(1);
    for (int t = 0; t < 10; ++t) env->Step(actions);
    const long before = AllocationCount();
    for (int t = 0; t < 20; ++t) {
      if (IsOwn(id)) env->ExpertActions(ExpertSkill::kGood, rng, actions);
      env->Step(actions);
    }
    EXPECT_EQ(AllocationCount() - before, 0) << id;
  }
  const long before = AllocationCount();
  ::operator delete(::operator new(16));
  EXPECT_EQ(AllocationCount() - before, 1) << "the counter counts";
}

}  // namespace
}  // namespace v2r
