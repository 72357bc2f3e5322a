// What distractors draw and what they ask of a model; pictures are looked at in
// distractor_picture_test.cc.
#include "envs/distractor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "envs/env.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

using testing::AllOf;
using testing::HasSubstr;

EnvOptions Read(const std::string& text) {
  EnvOptions options;
  Bind(ParseYaml(text, "test"), options, "env");
  return options;
}

TEST(DistractorOptions, OneWordStandsForAGroup) {
  EXPECT_EQ(Dump(Read("distractors: true").distractors).ToYaml(),
            Dump(ClassicDistractors()).ToYaml());
  EXPECT_FALSE(Read("distractors: false").distractors.Any());
  EXPECT_FALSE(Read("distractors: {}").distractors.Any());
  EXPECT_FALSE(Read("{}").distractors.Any());
  const EnvOptions options =
      Read("distractors: {moving: 3, light: per_episode, background: noise, camera_jitter: 0.1}");
  EXPECT_EQ(Dump(Read(Dump(options).ToYaml())).ToYaml(), Dump(options).ToYaml());
  EXPECT_EQ(options.distractors.moving, 3);
  const auto error = [](const std::string& text) -> std::string {
    try {
      Read(text);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error("distractors: 3"), AllOf(HasSubstr("test:1:1"), HasSubstr("'3'"),
                                             HasSubstr("env.distractors.moving=3")));
  EXPECT_THAT(error("distractors: {movin: 3}"), HasSubstr("did you mean 'moving'"));
  EXPECT_THAT(error("distractors: {light: swnig}"), HasSubstr("swing"));
}

// Results that have been measured rest on them.
TEST(DistractorConfigs, AreTheClassicOnes) {
  int found = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(HomeDirectory() / "configs" / "env")) {
    const std::string name = entry.path().stem().string();
    if (!name.ends_with("_distractors")) continue;
    const EnvOptions options = Read(ReadFile(entry.path()));
    if (name.ends_with("_hard_distractors")) {
      EXPECT_GT(options.distractors.moving, 1) << name;
      continue;
    }
    ++found;
    EXPECT_EQ(Dump(options.distractors).ToYaml(), Dump(ClassicDistractors()).ToYaml()) << name;
  }
  EXPECT_EQ(found, 11);
}

// The last numbers of an env's memory: those of its distractors.
std::vector<double> Kept(const EnvOptions& options, uint64_t seed, int64_t width) {
  const auto env = MakeVectorEnv(options);
  env->Reset(seed);
  StateDict state;
  env->SaveState(state);
  const auto memory = state["memory"].as<double>();
  return {memory.end() - options.num_envs * width, memory.end()};
}

TEST(Distractor, ClassicDrawsAreThoseThatResultsWereMeasuredWith) {
  EnvOptions options = Small("v2r/reach", 2);
  options.distractors = ClassicDistractors();
  // As the program wrote them before there was a group of options.
  const std::vector<double> before = {
      0.081192982464500102, 0.0067578580557840218, 0.083129305735318848, 0.075480326980788701,
      2.4365987597985814,   1.4891817856734815,    0.21216894664319241,  -0.75642424775203976,
      0.64381489211839149,  0.40000000000000002,   3.6538780228705212,   -1.3776610977292034,
      0.041326099511485914, 0.049842572070955798,  0.11351731691668153,  0.12114950106903465,
      1.137881430171674,    -1.7415256498783158,   -0.44633065241419345, -0.66421640302077778,
      0.64789695524096924,  0.40000000000000002,   3.1978136314900034,   -0.8896161510592302};
  EXPECT_EQ(Kept(options, 1, 12), before);
  // No matter what else is drawn.
  const auto all = Kept(Busy(options), 1, sizeof(Distractor) / sizeof(double));
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 12, all.begin()));
}

TEST(Distractor, DiscFollowsItsFormula) {
  EnvOptions options = Small("v2r/reach", 1);
  options.distractors = ClassicDistractors();
  const auto env = MakeVectorEnv(options);
  const auto kept = Kept(options, 1, 12);
  env->Reset(1);
  for (int t = 0; t < 5; ++t) {
    StateDict state;
    env->SaveState(state);
    double xy[2];
    for (int k : {0, 1}) {
      xy[k] = kept[k] + kept[2 + k] * std::sin(kept[4 + k] * t * 0.04 + kept[6 + k]);
    }
    const auto sim = state["sim"].as<double>();
    EXPECT_NE(std::search(sim.begin(), sim.end(), xy, xy + 2), sim.end()) << "step " << t;
    env->Step(std::vector<float>(2, .5f));
  }
}

TEST(Distractor, EverythingIsDrawnAnewPerEpisode) {
  Distractor a, b;
  a.Draw(Rng(1).Fork("episode", 1));
  b.Draw(Rng(1).Fork("episode", 2));
  const auto* x = reinterpret_cast<const double*>(&a);
  const auto* y = reinterpret_cast<const double*>(&b);
  int same = 0;
  for (size_t k = 0; k < sizeof(Distractor) / sizeof(double); ++k) same += x[k] == y[k];
  EXPECT_LE(same, 1 + 3 * 3) << "swing, and what comes from a palette";
  EXPECT_NE(a.patches, b.patches);
  EXPECT_GE(a.patches, 1) << "0 is none";
}

TEST(Distractor, PalettesKeepAwayFromTheColoursOfTasks) {
  for (const std::string& id : EnvNames()) {
    if (!IsOwn(id)) continue;
    const ModelPtr m = LoadModel(EnvRegistry().Make(id, ConfigNode::Map({}))->Spec().model);
    for (int g = 0; g < m->ngeom; ++g) {
      const char* name = mj_id2name(m.get(), mjOBJ_GEOM, g);
      if (m->geom_group[g] > 2 || std::string(name == nullptr ? "" : name) == "floor") continue;
      for (const auto palette : {FloorPalette(), DiscPalette()}) {
        for (const auto& colour : palette) {
          double square = 0;
          for (int c = 0; c < 3; ++c) square += std::pow(colour[c] - m->geom_rgba[4 * g + c], 2);
          EXPECT_GT(std::sqrt(square), .2)
              << id << ": geom " << g << " and " << colour[0] << " " << colour[1];
        }
      }
    }
  }
}

// What MakeVectorEnv says about mjcf with the model `text`.
std::string Refusal(const std::string& text, const std::string& distractors) {
  EnvOptions options = Small("mjcf", 1);
  options.task =
      ParseYaml("{model: " + WriteModel(text, "distractors").string() + ", frame_skip: 1}", "test");
  options.distractors = Read("distractors: {" + distractors + "}").distractors;
  try {
    MakeVectorEnv(options)->Reset(1);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Distractor, WhatTheModelLacksIsSaid) {
  const auto model = [](const std::string& parts) {
    return "<mujoco><worldbody>" + parts +
           "<body><joint name='j'/><geom size='.1'/></body></worldbody><actuator><motor "
           "joint='j'/></actuator></mujoco>";
  };
  const std::string bare = model(""), mound = model("<geom name='floor' size='1'/>"),
                    ground = model("<geom name='ground' type='plane' size='1 1 .1'/>"),
                    still = model("<body name='distractor'><geom size='.1'/></body>"),
                    moves = model("<body name='distractor' mocap='true'><geom size='.1'/></body>");
  for (const char* free : {"light: per_episode", "camera_jitter: 0.1"}) {
    EXPECT_EQ(Refusal(bare, free), "") << free;
  }
  for (const char* floor : {"light: swing", "background: per_episode", "background: noise"}) {
    EXPECT_THAT(Refusal(bare, floor),
                AllOf(HasSubstr("env.distractors."), HasSubstr("'floor'"), HasSubstr("mjcf")));
    EXPECT_EQ(Refusal(ground, floor), "") << floor;
  }
  EXPECT_EQ(Refusal(mound, "background: per_episode"), "");
  EXPECT_THAT(Refusal(mound, "background: noise"), HasSubstr("no plane"));
  for (const std::string& other : {bare, still}) {
    EXPECT_THAT(Refusal(other, "moving: 2"),
                AllOf(HasSubstr("env.distractors.moving=2"), HasSubstr("'distractor'")));
  }
  EXPECT_EQ(Refusal(moves, "moving: 2"), "");
  std::string lamps;
  for (int k = 0; k < 7; ++k) lamps += "<light pos='0 0 3'/>";  // and the headlight
  EXPECT_THAT(Refusal(model(lamps), "light: per_episode"), HasSubstr("has 8 lights"));
  EXPECT_EQ(Refusal(model(lamps), "camera_jitter: 0.1"), "");
}

}  // namespace
}  // namespace v2r
