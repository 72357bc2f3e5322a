// A whole training run in miniature, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "app/options.h"
#include "core/config.h"
#include "core/files.h"
#include "core/interrupt.h"

namespace v2r {

class MiniRun : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() /
            ("v2r_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
             "_" + std::to_string(getpid()));
    std::filesystem::remove_all(root_);
    MakeDirectories(root_);
  }
  void TearDown() override {
    RequestInterrupt(false);
    std::filesystem::remove_all(root_);
  }

  std::vector<std::string> MiniWords(const std::string& name,
                                     const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"env=reach",
                                      "env.num_envs=4",
                                      "env.max_episode_steps=10",
                                      "total_timesteps=160",
                                      "checkpoint_interval=80",
                                      "demos.good=3",
                                      "demos.near_miss=1",
                                      "demos.random=1",
                                      "demos.frame_size=64",
                                      "pretrain.iterations=5",
                                      "agent.batch_size=20",
                                      "eval.episodes=4",
                                      "eval.interval_episodes=4",
                                      "record.episodes=1",
                                      "record.frame_size=64",
                                      "torch_threads=1",
                                      "device=cpu",
                                      "run_dir=" + (root_ / name).string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  TrainOptions Mini(const std::string& name, const std::vector<std::string>& more = {}) const {
    TrainOptions options;
    Bind(ComposeConfig({HomeDirectory() / "configs"}, "train", MiniWords(name, more)), options);
    return options;
  }

  std::filesystem::path root_;
};

}  // namespace v2r
