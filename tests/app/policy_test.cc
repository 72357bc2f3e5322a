// What outlives a run: its exported policy, used by a program without this library, and a run whose
// process was killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "agents/make.h"
#include "app/policy_export.h"
#include "app/train.h"
#include "core/error.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// Programs lie beside the tests.
fs::path Program(const std::string& name) {
  return fs::read_symlink("/proc/self/exe").parent_path() / name;
}

class PolicyTest : public MiniRun {
 protected:
  std::vector<std::string> Quick(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"reward=true", "env.render=false", "record.enabled=false"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(PolicyTest, AnExportedPolicyActsAsTheAgentDoes) {
  ASSERT_TRUE(fs::exists(Program("act"))) << "build the target act";
  const std::vector<std::vector<std::string>> variants = {
      {},
      {"agent.activation=relu", "agent.shared_trunk=true"},
      {"agent.activation=elu", "agent.squash=true", "agent.clip_obs=1"},
      {"agent.state_dependent_std=true", "agent.norm_obs=false"}};
  for (size_t k = 0; k < variants.size(); ++k) {
    SCOPED_TRACE(k);
    const fs::path run = Train(Mini("run" + std::to_string(k), Quick(variants[k])), {}).run;
    const fs::path policy = root_ / ("policy" + std::to_string(k) + ".safetensors");
    ExportPolicy(run, policy);

    const TrainOptions options = LoadRunOptions(run);
    const StateDict state = Under(LoadCheckpoint(run, "last"), "agent");
    const auto obs_dim = Under(LoadCheckpoint(run, "last"), "runner").at("obs").shape[1];
    const SafetensorsFile file = ReadSafetensors(policy);
    const auto low = file.tensors.at("action_low").as<float>();
    const auto high = file.tensors.at("action_high").as<float>();
    const auto act_dim = static_cast<int64_t>(low.size());
    Rng rng(1);
    auto agent = MakeAgent(options.agent, obs_dim, act_dim, rng, torch::kCPU,
                           {{low.begin(), low.end()}, {high.begin(), high.end()}});
    agent->LoadState(state);
    constexpr int64_t kRows = 7;
    std::vector<float> obs, expected(static_cast<size_t>(kRows * act_dim));
    std::ofstream in(root_ / "observations");
    in.precision(9);
    for (int64_t i = 0; i < kRows * obs_dim; ++i) {
      obs.push_back(static_cast<float>(2 * rng.Normal()));
      in << obs.back() << ((i + 1) % obs_dim == 0 ? "\n" : " ");
    }
    in.close();
    agent->Act(obs, ActMode::kDeterministic, rng, expected, {}, {});
    fs::path description = policy;
    description.replace_extension(".json");
    const std::string command = Program("act").string() + " " + description.string() + " < " +
                                (root_ / "observations").string() + " > " +
                                (root_ / "actions").string();
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::ifstream out(root_ / "actions");
    for (size_t i = 0; i < expected.size(); ++i) {
      double action = 1e9;
      out >> action;
      const size_t a = i % low.size();
      EXPECT_NEAR(action, std::clamp(expected[i], low[a], high[a]), 2e-6) << i;
    }
  }
}

TEST_F(PolicyTest, WhatIsNoRunIsNamed) {
  fs::create_directories(root_ / "empty");
  EXPECT_THROW(ExportPolicy(root_ / "empty", root_ / "p.safetensors"), UserError);
}

TEST_F(PolicyTest, ADivergedRunLeavesAWholeCheckpoint) {
  try {
    Train(Mini("run", Quick({"agent.learning_rate=1e30", "checkpoint_interval=40"})), {});
    FAIL() << "a gradient that is not finite was accepted";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("not finite"), std::string::npos) << text;
    EXPECT_NE(text.find("--resume"), std::string::npos) << text;
  }
  EXPECT_FALSE(LoadCheckpoint(root_ / "run", "last").empty());
}

TEST(AgentPresets, EachComposesToAnAgent) {
  const fs::path folder = HomeDirectory() / "configs" / "agent";
  int64_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    const auto name = fs::relative(entry.path(), folder).replace_extension("").string();
    SCOPED_TRACE(name);
    TrainOptions options;
    Bind(ComposeConfig({HomeDirectory() / "configs"}, "train", {"agent=" + name}), options);
    Rng rng(1);
    EXPECT_NE(MakeAgent(options.agent, 5, 2, rng, torch::kCPU), nullptr);
    // A preset that says nothing would train with the options of this project's own tasks.
    if (name != "ppo") {
      EXPECT_NE(options.agent.ppo.gamma, PpoOptions().gamma);
    }
    ++count;
  }
  EXPECT_GE(count, 14);
}

// A checkpoint is written as a whole, so a process may die at any moment.
TEST_F(PolicyTest, AKilledRunContinuesBitForBit) {
  ASSERT_TRUE(fs::exists(Program("v2r"))) << "build the target v2r";
  const auto words = [&](const std::string& name) {
    auto all = MiniWords(name, Quick({"total_timesteps=2400", "agent.update_epochs=60",
                                      "agent.norm_reward_rule=sb3"}));
    return all;
  };
  std::vector<std::string> texts = words("killed");
  texts.insert(texts.begin(), {Program("v2r").string(), "train"});
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
  const fs::path third = root_ / "killed" / "checkpoints" / "step_000000240" / "state.safetensors";
  for (int i = 0; i < 12000 && !fs::exists(third); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(fs::exists(third));
  ASSERT_TRUE(WIFSIGNALED(status)) << "the run was over before it could be killed";
  ResumeTraining(root_ / "killed", {});

  TrainOptions options;
  Bind(ComposeConfig({HomeDirectory() / "configs"}, "train", words("whole")), options);
  Train(options, {});
  const StateDict left = LoadCheckpoint(root_ / "whole", "last");
  const StateDict right = LoadCheckpoint(root_ / "killed", "last");
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, blob] : left) EXPECT_EQ(blob.bytes, right.at(name).bytes) << name;
}

}  // namespace
}  // namespace v2r
