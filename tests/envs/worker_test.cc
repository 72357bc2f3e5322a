// Environments in worker processes: the same numbers as in one, also when workers fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <limits>

#include "core/error.h"
#include "tests/envs/worker_drive.h"

namespace v2r {
namespace {

using testing::AllOf;
using testing::HasSubstr;

EnvOptions Brief(const std::string& id, int64_t num_envs = 5) {
  EnvOptions options = Small(id, num_envs);
  options.max_episode_steps = 7;
  return options;
}

TEST(Workers, BatchesEqualThoseOfOneProcess) {
  for (const char* id : {"v2r/reach", "v2r/reach_goal", "v2r/push", "dmc/finger_turn_hard"}) {
    for (const char* autoreset : {"same_step", "next_step", "disabled"}) {
      EnvOptions options = Busy(Brief(id));
      options.autoreset = autoreset;
      const Story alone = Tell(*MakeVectorEnv(options), 17);
      for (int64_t processes : {1, 2, 3}) {
        const bool large = std::string(id).starts_with("dmc/");  // its textures take time to read
        if (processes != 2 && (large || std::string(autoreset) != "same_step")) continue;
        Starter starter;
        RemoteVectorEnv env(WithWorkers(options, processes), starter.Spawner());
        EXPECT_TRUE(SameStory(alone, Tell(env, 17))) << id << " " << autoreset << " " << processes;
        EXPECT_EQ(env.Timings().at("env/worker_restarts"), 0);
      }
    }
  }
}

TEST(Workers, RowsThroughTheSocketEqualThoseThroughMemory) {
  const Story alone = Tell(*MakeVectorEnv(Brief("v2r/push")), 12);
  Starter starter;
  starter.same_host = false;
  RemoteVectorEnv env(WithWorkers(Brief("v2r/push"), 2), starter.Spawner());
  EXPECT_TRUE(SameStory(alone, Tell(env, 12)));
}

void ExpectSameAlsoAfterAFault(const EnvOptions& options) {
  const Story alone = Tell(*MakeVectorEnv(options), 14);
  Starter starter;
  RemoteVectorEnv env(WithWorkers(options, 2), starter.Spawner());
  const Story story = Tell(env, 14, [&](int t) {
    if (t == 11) ::kill(starter.pids[0], SIGKILL);
  });
  EXPECT_TRUE(SameStory(alone, story)) << options.id << " " << options.autoreset;
  EXPECT_EQ(env.Timings().at("env/worker_restarts"), 1);
}

TEST(Workers, WrappersAreTheSame) {
  EnvOptions options = Brief("v2r/push");
  options.action_repeat = options.frame_stack = 2;
  options.rescale_action = true;
  options.clip_action = false;
  ExpectSameAlsoAfterAFault(options);
}

TEST(Workers, InfoAndEndsOfTheirOwnAreTheSame) {
  for (const char* autoreset : {"same_step", "next_step", "disabled"}) {
    EnvOptions options = Brief("gym/InvertedPendulum-v5");
    options.autoreset = autoreset;
    ExpectSameAlsoAfterAFault(options);
  }
}

TEST(Workers, MoreProcessesThanEnvironmentsAreNotStarted) {
  Starter starter;
  RemoteVectorEnv env(WithWorkers(Brief("v2r/reach", 2), 3), starter.Spawner());
  EXPECT_EQ(starter.pids.size(), 2u);
  EXPECT_EQ(env.Spec().num_envs, 2);
}

TEST(Workers, StateGoesToAnyNumberOfThem) {
  const EnvOptions options = Busy(Brief("v2r/push"));
  Starter starter;
  const auto alone = MakeVectorEnv(options);
  RemoteVectorEnv two(WithWorkers(options, 2), starter.Spawner()),
      three(WithWorkers(options, 3), starter.Spawner());
  Roll(*alone, 1, 9);
  StateDict state, again;
  alone->SaveState(state);
  two.LoadState(state);
  two.SaveState(again);
  EXPECT_TRUE(SameState(state, again));
  three.LoadState(again);
  Rng rng(1);
  for (int t = 0; t < 9; ++t) {
    const auto actions = RandomActions(alone->Spec(), rng);
    const Seen seen = Look(alone->Step(actions));
    ASSERT_TRUE(seen == Look(two.Step(actions))) << t;
    ASSERT_TRUE(seen == Look(three.Step(actions))) << t;
  }
  RemoteVectorEnv other(WithWorkers(Busy(Brief("v2r/push", 4)), 2), starter.Spawner());
  EXPECT_THROW(other.LoadState(state), UserError) << "5 environments into 4";
  RemoteVectorEnv plain(WithWorkers(Brief("v2r/push"), 2), starter.Spawner());
  EXPECT_THROW(plain.LoadState(state), UserError) << "with distractors into without";
  EXPECT_NO_THROW(plain.Reset(1)) << "still usable";
}

TEST(Workers, OneEnvironmentStartsFromAGivenState) {
  const auto alone = MakeVectorEnv(Brief("dmc/walker_walk", 3));
  Starter starter;
  RemoteVectorEnv env(WithWorkers(Brief("dmc/walker_walk", 3), 2), starter.Spawner());
  Roll(*alone, 1, 8);
  Roll(env, 1, 8);
  StartState start;
  start.qpos = {0.1, 1.2, -0.3, 0.2, 0.1, 0, 0.3, 0.2, 0.1};
  EXPECT_TRUE(Look(alone->SetState(2, start)) == Look(env.SetState(2, start)));
  ::kill(starter.pids[1], SIGKILL);
  const std::vector<float> actions(3 * 6, 0.3f);
  EXPECT_TRUE(Look(alone->Step(actions)) == Look(env.Step(actions)));
  start.qpos = {1};
  try {
    env.SetState(1, start);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("qpos has 1 values"));
  }
  EXPECT_THROW(env.SetState(3, {}), UserError);
  EXPECT_TRUE(Look(alone->Step(actions)) == Look(env.Step(actions))) << "nothing has happened";
}

TEST(Workers, SomeEnvironmentsRestart) {
  EnvOptions options = Brief("gym/InvertedPendulum-v5", 5);
  options.autoreset = "disabled";
  const auto alone = MakeVectorEnv(options);
  Starter starter;
  RemoteVectorEnv env(WithWorkers(options, 2), starter.Spawner());
  Roll(*alone, 1, 8);
  Roll(env, 1, 8);
  const std::vector<uint8_t> mask = {0, 1, 0, 0, 1};
  EXPECT_TRUE(Look(alone->Restart(mask)) == Look(env.Restart(mask)));
  ::kill(starter.pids[1], SIGKILL);  // its restart is among what is replayed
  const std::vector<float> actions(5, 0.3f);
  EXPECT_TRUE(Look(alone->Step(actions)) == Look(env.Step(actions)));
}

TEST(Workers, ActionThatIsNotANumberNamesTheEnvironment) {
  Starter starter;
  RemoteVectorEnv env(WithWorkers(Brief("v2r/push", 3), 2), starter.Spawner());
  env.Reset(1);
  std::vector<float> actions(6, 0.f);
  actions[5] = std::numeric_limits<float>::quiet_NaN();
  try {
    env.StepAsync(actions);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("action 1 of env 2 is nan"));
  }
  actions[5] = 0;
  env.Step(actions);
}

TEST(Workers, WhatATaskSaysComesThrough) {
  Starter starter;
  RemoteVectorEnv env(WithWorkers(Brief("dmc/walker_walk", 2), 2), starter.Spawner());
  env.Reset(1);
  Rng rng(1);
  std::vector<float> actions(12);
  try {
    env.ExpertActions(ExpertSkill::kGood, rng, actions);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expert"));
  }
  env.Step(actions);
  EnvOptions options = WithWorkers(Brief("dmc/walker_walk", 2), 2);
  options.distractors = ClassicDistractors();
  try {
    RemoteVectorEnv(options, starter.Spawner());
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("worker process 0"), HasSubstr("env.distractors")));
  }
}

// --- faults ---

class Faults : public testing::Test {
 protected:
  const EnvOptions options_ = Busy(Brief("v2r/push"));
  const Story alone_ = Tell(*MakeVectorEnv(options_), 17);
  Starter starter_;
  std::unique_ptr<RemoteVectorEnv> env_;

  void Make(double timeout = 60) {
    EnvOptions options = WithWorkers(options_, 2);
    options.worker_timeout = timeout;
    env_ = std::make_unique<RemoteVectorEnv>(options, starter_.Spawner());
  }
  // Tells the story with `fault` before step `at`; the log.
  template <typename Fault>
  std::string Suffer(int at, Fault fault) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const Story story = Tell(*env_, 17, [&](int t) {
      if (t == at) fault();
    });
    EXPECT_TRUE(SameStory(alone_, story)) << "fault before step " << at;
    return testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout();
  }
};

TEST_F(Faults, AKilledWorkerIsReplacedAndTheNumbersStay) {
  for (int at : {0, 3, 5, 16}) {
    Make();
    starter_.pids.assign(starter_.pids.end() - 2, starter_.pids.end());
    const std::string log = Suffer(at, [&] { ::kill(starter_.pids[1], SIGKILL); });
    EXPECT_THAT(log, AllOf(HasSubstr("worker process 1 (environments 2 to 4)"),
                           HasSubstr("killed by signal 9")));
    EXPECT_EQ(env_->Timings().at("env/worker_restarts"), 1);
  }
}

TEST_F(Faults, AWorkerKilledInTheMiddleOfAStepIsReplaced) {
  Make();
  const auto alone = MakeVectorEnv(options_);
  Rng rng(1);
  alone->Reset(1);
  env_->Reset(1);
  for (int t = 0; t < 12; ++t) {
    const auto actions = RandomActions(alone->Spec(), rng);
    env_->StepAsync(actions);
    if (t % 4 == 2) {
      for (pid_t pid : starter_.pids) ::kill(pid, SIGKILL);  // those replaced are gone already
    }
    ASSERT_TRUE(Look(env_->StepWait()) == Look(alone->Step(actions))) << t;
  }
  EXPECT_EQ(env_->Timings().at("env/worker_restarts"), 6);
}

TEST_F(Faults, AWorkerThatHangsIsReplaced) {
  Make(/*timeout=*/0.7);
  const std::string log = Suffer(8, [&] { ::kill(starter_.pids[0], SIGSTOP); });
  EXPECT_THAT(log, AllOf(HasSubstr("worker process 0 (environments 0 to 1)"),
                         HasSubstr("said nothing for 0.7 s"), HasSubstr("it is killed")));
}

TEST_F(Faults, StatesAreKeptEverySoManySteps) {
  const auto repeated = [&](int64_t sync, bool save) {
    EnvOptions options = WithWorkers(options_, 1);
    options.worker_sync = sync;
    RemoteVectorEnv env(options, starter_.Spawner());
    Roll(env, 1, 7);
    StateDict state;
    if (save) env.SaveState(state);
    ::kill(starter_.pids.back(), SIGKILL);
    testing::internal::CaptureStdout();
    std::vector<float> distance(5);
    env.TrueDistance(distance);
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_THAT(repeated(100, false), HasSubstr("repeats 8 questions")) << "Reset and seven steps";
  EXPECT_THAT(repeated(3, false), HasSubstr("repeats 2 questions")) << "a state and one step";
  EXPECT_THAT(repeated(100, true), HasSubstr("repeats 1 questions")) << "a state";
}

TEST_F(Faults, WarningsOfTheEngineAreNotLostWithTheWorker) {
  Make();
  env_->Reset(1);
  StateDict state;
  env_->SaveState(state);
  auto* sim = reinterpret_cast<double*>(state["sim"].bytes.data());
  sim[1] = std::numeric_limits<double>::quiet_NaN();
  env_->LoadState(state);
  const std::vector<float> actions(10, 0.f);
  env_->Step(actions);
  EXPECT_EQ(env_->Timings().at("env/warnings"), 1);
  for (int t = 0; t < 6; ++t) {  // before and after a state was kept
    env_->Step(actions);
    ::kill(starter_.pids.back(), SIGKILL);
    if (t == 0) ::kill(starter_.pids[0], SIGKILL);
    env_->Step(actions);
    EXPECT_EQ(env_->Timings().at("env/warnings"), 1) << t;
  }
}

TEST_F(Faults, DamagedFramesAreFoundAndTheWorkerIsReplaced) {
  // How many bytes a worker sends until it has built its environments, and in all.
  int64_t built = 0, all = 0;
  std::vector<std::unique_ptr<Spoiler>> spoilers;
  const auto spoil = [&](int64_t at) -> RemoteVectorEnv::Spawner {
    return [&, at, first = std::make_shared<bool>(true)](int) {
      const WorkerProcess process = SpawnWorker(WorkerProgram(), {"worker", "--fd", "3"});
      int ends[2];
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
      spoilers.push_back(std::make_unique<Spoiler>(ends[1], process.fd, *first ? at : -1));
      *first = false;
      return WorkerProcess{ends[0], process.pid, false};
    };
  };
  const EnvOptions options = WithWorkers(options_, 1);
  {
    RemoteVectorEnv env(options, spoil(-1));
    built = spoilers[0]->carried();
    EXPECT_TRUE(SameStory(alone_, Tell(env, 17)));
    all = spoilers[0]->carried();
  }
  ASSERT_GT(all, built + 10000);
  int found = 0;
  const int64_t batch = built + 24;  // the first answer after its head
  for (int64_t at : {built, built + 5, built + 9, built + 21, batch + 3, batch + 400,
                     (built + all) / 2, all - 1}) {
    RemoteVectorEnv env(options, spoil(at));
    EXPECT_TRUE(SameStory(alone_, Tell(env, 17))) << "byte " << at;
    found += static_cast<int>(env.Timings().at("env/worker_restarts"));
  }
  EXPECT_EQ(found, 8);
}

TEST_F(Faults, AWorkerThatDiesEachTimeIsGivenUp) {
  Make();
  env_->Reset(1);
  starter_.words = {"--home", "/nowhere"};  // those to come find no model
  ::kill(starter_.pids[0], SIGKILL);
  env_->StepAsync(std::vector<float>(10, 0.f));
  try {
    env_->StepWait();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("worker process 0"), HasSubstr("given up"), HasSubstr("/nowhere")));
  }
  EXPECT_EQ(starter_.pids.size(), 5u) << "three attempts";
  EXPECT_THROW(env_->StepAsync(std::vector<float>(10, 0.f)), Error);
}

TEST(WorkerPrograms, OneThatCannotBeStartedIsNamed) {
  EnvOptions options = WithWorkers(Brief("v2r/reach"), 1);
  try {
    RemoteVectorEnv(options, [](int) { return SpawnWorker("/nowhere/v2r", {}); });
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/v2r"));
  }
  try {
    RemoteVectorEnv(options, [](int) { return SpawnWorker("/bin/false", {}); });
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("worker process 0"), HasSubstr("ended with code 1")));
  }
  options.workers = {"unix:/nowhere"};
  EXPECT_THROW(MakeVectorEnv(options), UserError) << "processes and workers";
}

TEST(WorkerPrograms, TheEnvironmentVariableNamesIt) {
  ::setenv("V2R_WORKER_PROGRAM", WorkerProgram().c_str(), 1);
  const EnvOptions options = Brief("v2r/reach");
  EXPECT_TRUE(Roll(*MakeVectorEnv(options), 1, 9) ==
              Roll(*MakeVectorEnv(WithWorkers(options, 2)), 1, 9));
  ::unsetenv("V2R_WORKER_PROGRAM");
  ::setenv(kWorkerMark, "1", 1);
  EXPECT_THROW(MakeVectorEnv(WithWorkers(options, 2)), UserError) << "no worker starts workers";
  ::unsetenv(kWorkerMark);
}

}  // namespace
}  // namespace v2r
