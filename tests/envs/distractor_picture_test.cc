// Pictures with distractors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "envs/distractor.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

constexpr int kSize = 64;
constexpr int64_t kBytes = kSize * kSize * 3;

EnvOptions With(const std::string& id, const std::string& distractors, int64_t num_envs = 4) {
  EnvOptions options = Small(id, num_envs, /*render=*/true);
  options.frame_size = kSize;
  options.max_episode_steps = 3;
  Bind(ParseYaml("distractors: " + distractors, "test"), options, "env");
  options.id = id;
  return options;
}

std::vector<Seen> Watch(const EnvOptions& options) { return Roll(*MakeVectorEnv(options), 1, 5); }

struct Key {
  const char* yaml;
  double change;  // of the picture, at least
};
constexpr Key kKeys[] = {{"{moving: 1}", 5},
                         {"{moving: 4}", 12},
                         {"{light: swing}", 20},
                         {"{light: per_episode}", 8},
                         {"{background: per_episode}", 8},
                         {"{background: noise}", 15},
                         {"{camera_jitter: 0.05}", 5}};

TEST(DistractorPictures, EachKeyChangesThePictureOnly) {
  for (const char* id : {"v2r/reach", "v2r/push"}) {
    const auto plain = Watch(With(id, "{}"));
    for (const Key& key : kKeys) {
      const auto seen = Watch(With(id, key.yaml));
      double change = 0;
      for (size_t t = 0; t < seen.size(); ++t) {
        ASSERT_EQ(seen[t].obs, plain[t].obs) << key.yaml;
        ASSERT_EQ(seen[t].next_obs, plain[t].next_obs) << key.yaml;
        ASSERT_EQ(seen[t].env_reward, plain[t].env_reward) << key.yaml;
        ASSERT_EQ(seen[t].success, plain[t].success) << key.yaml;
        change += Rmse(seen[t].frame, plain[t].frame) / static_cast<double>(seen.size());
      }
      EXPECT_GT(change, key.change) << id << " " << key.yaml;
    }
  }
}

// The corner of picture i shows the floor, or what lies on it.
std::vector<uint8_t> Corner(const std::vector<uint8_t>& frames, int64_t i) {
  const auto frame = RowOf(frames, i, kBytes);
  return {frame.begin(), frame.begin() + 3};
}

TEST(DistractorPictures, WhatIsDrawnPerEpisodeStaysInIt) {
  for (const char* yaml : {"{light: per_episode}", "{background: per_episode}"}) {
    const auto seen = Watch(With("v2r/reach", yaml));
    std::vector<std::vector<uint8_t>> colours;
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(Corner(seen[0].frame, i), Corner(seen[2].frame, i)) << yaml;
      EXPECT_EQ(Corner(seen[0].frame, i), Corner(seen[3].next_frame, i)) << yaml;
      EXPECT_NE(Corner(seen[0].frame, i), Corner(seen[3].frame, i)) << yaml << ": next episode";
      colours.push_back(Corner(seen[0].frame, i));
    }
    std::sort(colours.begin(), colours.end());
    EXPECT_EQ(std::unique(colours.begin(), colours.end()), colours.end())
        << yaml << ": each environment draws its own";
  }
}

// Every result with distractors was measured with this floor.
TEST(DistractorPictures, FloorSwingsAsItAlwaysDid) {
  EnvOptions options = With("v2r/reach", "true", 1);
  options.max_episode_steps = 50;
  const auto env = MakeVectorEnv(options);
  Seen seen = Look(env->Reset(1));
  for (int t = 0; t < 40; ++t) {
    // Of env 0 at seed 1 (distractor_test.cc).
    const double factor =
        0.64381489211839149 + .4 * std::sin(3.6538780228705212 * t * .04 - 1.3776610977292034);
    const double ambient = .9;
    EXPECT_NEAR(Corner(seen.frame, 0)[0], std::min(255., 255 * ambient * .86 * factor), 1.1) << t;
    seen = Look(env->Step(std::vector<float>(2, .5f)));
  }
}

struct Spot {
  double x = 0, y = 0;
  int pixels = 0;
};
// Where picture i is red: the goal of reach, the target of push.
Spot Red(const std::vector<uint8_t>& frames, int64_t i) {
  Spot spot;
  for (int k = 0; k < kSize * kSize; ++k) {
    const uint8_t* p = frames.data() + i * kBytes + 3 * k;
    if (p[0] < 80 || p[0] < 2 * p[1] || p[0] < 2 * p[2]) continue;
    ++spot.pixels;
    spot.x += k % kSize;
    spot.y += k / kSize;
  }
  spot.x /= spot.pixels;
  spot.y /= spot.pixels;
  return spot;
}

TEST(DistractorPictures, GoalStaysVisible) {
  for (const char* id : {"v2r/reach", "v2r/push"}) {
    const auto plain = Watch(With(id, "{}", 16));
    for (const Key& key : kKeys) {
      const bool first_disc = std::string(key.yaml).starts_with("{moving");  // it may cover a goal
      const auto seen = Watch(With(id, key.yaml, 16));
      for (size_t t = 0; t < seen.size(); ++t) {
        int shown = 0, in_plain = 0;
        for (int64_t i = 0; i < 16; ++i) {
          shown += Red(seen[t].frame, i).pixels;
          in_plain += Red(plain[t].frame, i).pixels;
        }
        EXPECT_GT(shown, (first_disc ? .7 : .9) * in_plain) << id << " " << key.yaml;
      }
    }
  }
}

TEST(DistractorPictures, MoreDiscsCoverNoMoreOfAGoal) {
  const auto one = Watch(With("v2r/reach", "{moving: 1}", 32)),
             four = Watch(With("v2r/reach", "{moving: 4}", 32));
  EXPECT_GT(Rmse(one[0].frame, four[0].frame), 8);
  for (int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(Red(one[2].frame, i).pixels, Red(four[2].frame, i).pixels) << i;
  }
}

TEST(DistractorPictures, CameraStaysWithinItsBounds) {
  constexpr double kJitter = 0.05;
  const auto plain = Watch(With("v2r/reach", "{}", 16)),
             seen = Watch(With("v2r/reach", "{camera_jitter: 0.05}", 16));
  double most = 0;
  for (int64_t i = 0; i < 16; ++i) {
    const Spot a = Red(plain[0].frame, i), b = Red(seen[0].frame, i);
    const double moved = std::hypot(a.x - b.x, a.y - b.y);
    // Shifted along two axes and turned around the middle; 1 for what falls between pixels.
    EXPECT_LT(moved, kJitter * (std::sqrt(2.) * kSize + std::hypot(a.x - 32, a.y - 32)) + 1);
    most = std::max(most, moved);
  }
  EXPECT_GT(most, kJitter * kSize / 2);
}

TEST(DistractorPictures, GoalPictureHasTheLookOfItsEpisode) {
  for (const char* yaml : {"{light: per_episode, background: per_episode}", "{light: swing}"}) {
    const Seen seen = Watch(With("v2r/reach_goal", yaml))[0];
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(Corner(seen.frame, i), Corner(seen.goal_frame, i)) << yaml;
    }
  }
}

TEST(DistractorPictures, ClassicStateIsBitExact) {
  const EnvOptions options = With("v2r/push", "true");
  const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
  Roll(*env, 4, 2);
  StateDict state;
  env->SaveState(state);
  other->LoadState(state);
  const std::vector<float> actions(8, .5f);
  for (int t = 0; t < 5; ++t) {
    ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << t;
  }
}

TEST(DistractorPictures, PatchesLieOnTheFloorOfAnyModel) {
  EnvOptions options = Small("mjcf", 2, true);  // its floor is called ground
  const auto plain = Look(MakeVectorEnv(options)->Reset(1));
  options.distractors.background = "noise";
  const auto noisy = Look(MakeVectorEnv(options)->Reset(1));
  EXPECT_GT(Rmse(plain.frame, noisy.frame), 10);
  EXPECT_EQ(plain.obs, noisy.obs);
}

}  // namespace
}  // namespace v2r
