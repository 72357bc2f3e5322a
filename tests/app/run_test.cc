// The whole way in miniature: films, pretraining, learned reward with its online head, PPO, video,
// report; resuming; bad input.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "app/commands.h"
#include "app/run_directory.h"
#include "app/train.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "media/video.h"
#include "tests/app/mini.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

class RunTest : public MiniRun {
 protected:
  // Checkpoint tensors that must not depend on how the run was made.
  static void ExpectSameState(const fs::path& a, const fs::path& b) {
    const StateDict left = LoadCheckpoint(a, "last"), right = LoadCheckpoint(b, "last");
    ASSERT_EQ(left.size(), right.size());
    for (const auto& [name, blob] : left) {
      ASSERT_TRUE(right.contains(name)) << name;
      EXPECT_EQ(blob.bytes, right.at(name).bytes) << name;
    }
  }

  static void ExpectSameMetrics(const fs::path& a, const fs::path& b) {
    const auto left = ReadMetrics(a), right = ReadMetrics(b);
    ASSERT_EQ(left.size(), right.size());
    for (size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].step, right[i].step);
      for (const auto& [name, value] : left[i].values) {
        if (name.rfind("time/", 0) == 0) continue;
        ASSERT_TRUE(right[i].values.contains(name)) << name;
        const double other = right[i].values.at(name);
        EXPECT_TRUE(value == other || (value != value && other != other))
            << name << " " << value << " " << other;
      }
    }
  }
};

TEST_F(RunTest, LeavesEverythingARunPromises) {
  const TrainOutcome outcome = Train(Mini("run"), {"env=reach"});
  EXPECT_EQ(outcome.steps, 160);
  for (const char* file :
       {"config.yaml", "overrides.txt", "manifest.json", "log.txt", "metrics.jsonl", "progress.csv",
        "summary.json", "quality.json", "report.html", "encoder.safetensors", "demos/manifest.json",
        "checkpoints/last/state.safetensors", "checkpoints/step_000000080/state.safetensors",
        "videos/final.mp4", "videos/final.json"}) {
    EXPECT_TRUE(fs::exists(outcome.run / file)) << file;
  }
  const auto rows = ReadMetrics(outcome.run);
  ASSERT_EQ(rows.size(), 4u);
  for (const char* name :
       {"rollout/ep_rew_mean", "rollout/ep_true_rew_mean", "rollout/success_rate",
        "train/approx_kl", "time/fps", "reward/classifier_loss"}) {
    EXPECT_TRUE(rows.back().values.contains(name)) << name;
  }
}

TEST_F(RunTest, ResumedRunEqualsUnbrokenRunBitForBit) {
  const TrainOutcome whole = Train(Mini("whole"), {});
  // The same demonstrations and encoder: films are made once.
  const std::vector<std::string> same = {"demos.path=" + whole.demos.string(),
                                         "encoder.path=" + whole.encoder.string(),
                                         "agent.anneal_lr=false"};
  Train(Mini("unbroken", same), {});
  auto half = same;
  half.push_back("total_timesteps=80");
  Train(Mini("half", half), {});
  ResumeTraining(root_ / "half", {"total_timesteps=160"});
  ExpectSameState(root_ / "unbroken", root_ / "half");
}

TEST_F(RunTest, ThreadsOfEnvironmentsAndPicturesChangeNothing) {
  const TrainOutcome one = Train(Mini("one", {"env.env_threads=1", "env.render_threads=1"}), {});
  Train(Mini("two", {"env.env_threads=2", "env.render_threads=2",
                     "demos.path=" + one.demos.string(), "encoder.path=" + one.encoder.string()}),
        {});
  ExpectSameState(root_ / "one", root_ / "two");
  ExpectSameMetrics(root_ / "one", root_ / "two");
}

TEST_F(RunTest, FurtherCamerasStandInTheVideosAndChangeNothingElse) {
  const TrainOutcome one = Train(Mini("one"), {});
  const TrainOutcome more =
      Train(Mini("more", {"env.cameras=[angled]", "env.views={side: {type: free}}",
                          "env.modalities=[depth]", "demos.path=" + one.demos.string(),
                          "encoder.path=" + one.encoder.string()}),
            {});
  ExpectSameState(root_ / "one", root_ / "more");
  Image single, triple;
  ASSERT_TRUE(VideoReader(one.video).Next(single));
  ASSERT_TRUE(VideoReader(more.video).Next(triple));
  EXPECT_EQ(single.width, 64);
  EXPECT_EQ(triple.width, 3 * 64);
  EXPECT_EQ(triple.height, single.height);
  const auto* row = triple.pixels.data() + 32 * triple.width * 3;
  EXPECT_FALSE(std::equal(row, row + 64 * 3, row + 64 * 3)) << "another camera";
}

TEST_F(RunTest, ALearnedRewardNeedsThePictureOfEveryStep) {
  EXPECT_THROW(Train(Mini("some", {"env.render_every=2"}), {}), UserError);
  EXPECT_FALSE(fs::exists(root_ / "some" / "demos")) << "said before anything is filmed";
  EXPECT_EQ(
      Train(Mini("true", {"env.render_every=2", "reward=true", "record.enabled=false"}), {}).steps,
      160);
}

TEST_F(RunTest, InterruptKeepsTheCheckpointAndResumes) {
  const TrainOutcome first = Train(Mini("first"), {});
  const std::vector<std::string> same = {"demos.path=" + first.demos.string(),
                                         "encoder.path=" + first.encoder.string()};
  RequestInterrupt(true);
  EXPECT_THROW(Train(Mini("stopped", same), {}), Interrupted);
  RequestInterrupt(false);
  EXPECT_FALSE(fs::exists(root_ / "stopped" / "summary.json"));
}

TEST_F(RunTest, AnotherRunsDirectoryIsRefused) {
  Train(Mini("taken", {"reward=true", "record.enabled=false"}), {});
  EXPECT_THROW(Train(Mini("taken", {"reward=true"}), {}), UserError);
}

TEST_F(RunTest, CorruptCheckpointIsRefusedByName) {
  Train(Mini("run", {"reward=true", "record.enabled=false"}), {});
  const fs::path path = root_ / "run" / "checkpoints" / "last" / "state.safetensors";
  fs::resize_file(path, fs::file_size(path) / 2);
  try {
    ResumeTraining(root_ / "run", {});
    FAIL() << "a cut checkpoint was accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("state.safetensors"), std::string::npos)
        << error.what();
  }
}

TEST_F(RunTest, FullDiskLeavesNoHalfCheckpoint) {
  setenv("V2R_SIMULATE_DISK_FULL", "checkpoints/last", 1);
  EXPECT_THROW(Train(Mini("full", {"reward=true", "record.enabled=false"}), {}), UserError);
  unsetenv("V2R_SIMULATE_DISK_FULL");
  EXPECT_FALSE(fs::exists(root_ / "full" / "checkpoints" / "last" / "state.safetensors"));
}

TEST_F(RunTest, MissingDemonstrationsAndEncoderAreNamed) {
  EXPECT_THROW(Train(Mini("a", {"demos.path=" + (root_ / "nowhere").string()}), {}), UserError);
  EXPECT_THROW(Train(Mini("b", {"encoder.path=" + (root_ / "none.safetensors").string()}), {}),
               UserError);
}

}  // namespace
}  // namespace v2r
