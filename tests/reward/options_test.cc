// Every key of RewardOptions acts, the shipped configs bind, and contradictions are errors that say
// what to do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/config.h"
#include "envs/counter_env.h"
#include "tests/error_of.h"
#include "tests/reward/helpers.h"

namespace v2r {
namespace {

using testing::Assemble;
using testing::GreyClip;
using testing::GreyEncoder;
using ::testing::HasSubstr;
using testing::Options;
using testing::Rollout;
using testing::ScriptOptions;
using testing::Wander;

// Goals that differ a little: 92 to 108.
ClipSet VariedDemos() {
  ClipSet clips;
  clips.clips = {GreyClip("good", {20, 44, 60, 84, 92}), GreyClip("good", {24, 40, 66, 80, 108})};
  return clips;
}

struct Mutation {
  std::string key;
  std::vector<std::pair<std::string, std::string>> base;  // "key", "value"
  std::string value;
};
void PrintTo(const Mutation& m, std::ostream* os) { *os << m.key << "=" << m.value; }

RewardOptions FromKeys(const std::vector<std::pair<std::string, std::string>>& keys) {
  ConfigNode node = ParseYaml("dtype: float32", "test");
  for (const auto& [key, value] : keys)
    node.SetPath(key, ParseYaml("v: " + value, "test").FindPath("v")[0]);
  RewardOptions options;
  Bind(node, options);
  return options;
}

class TempFile {
 public:
  TempFile()
      : path_(std::filesystem::path(::testing::TempDir()) /
              "v2r_reward_options_encoder.safetensors") {}
  ~TempFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Everything a user can see of three rollouts: rewards, metrics, flags, or the refusal.
struct Outcome {
  std::vector<float> rewards;
  Metrics metrics;
  bool deferred = false;
  std::string refusal;
  bool operator==(const Outcome&) const = default;
};

Outcome Observe(const RewardOptions& options, bool encoder_file) {
  Outcome outcome;
  try {
    auto encoder = GreyEncoder();
    const TempFile file;
    if (encoder_file) {
      EncoderSpec spec;
      spec.width = 0.25;
      spec.embedding_dim = 8;
      spec.input_size = 16;
      Rng rng(3);
      SaveEncoder(file.path(), *MakeEncoderNet(spec, rng), {}, {});
      encoder = MakeRewardEncoder(options, file.path(), torch::kCPU);
    }
    ScriptOptions script;
    script.num_envs = 2;
    script.goal_frames = true;
    script.start_noise = 1.5;
    const auto env = Assemble(options, script, encoder, VariedDemos());
    outcome.deferred = env->Spec().deferred_rewards;
    env->Reset(1);
    for (int i = 0; i < 3; ++i) {
      const auto rewards = Rollout(*env, 8, Wander, &outcome.metrics);
      outcome.rewards.insert(outcome.rewards.end(), rewards.begin(), rewards.end());
    }
  } catch (const UserError& error) {
    outcome.refusal = error.what();
  }
  return outcome;
}

std::vector<Mutation> Mutations() {
  using Keys = std::vector<std::pair<std::string, std::string>>;
  const Keys goal = {{"name", "goal_distance"}};
  const Keys classifier = {
      {"classifier.weight", "0.1"}, {"classifier.steps", "3"}, {"classifier.batch_size", "8"}};
  const Keys medoids = {
      {"name", "goal_distance"}, {"goal.kind", "medoids"}, {"goal.last_frames", "2"}};
  const Keys transport = {{"name", "optimal_transport"}, {"distance", "cosine"}};
  const Keys ensemble = {{"name", "ensemble"},
                         {"ensemble.encoders", "[" + testing::GreyEncoderFile("cosine") + "]"}};
  Keys lower = ensemble;
  lower.emplace_back("ensemble.combine", "lower");
  const Keys sum = {
      {"name", "sum"}, {"sum.parts", "[goal_distance, ranking]"}, {"sum.weights", "[1, 2]"}};
  const Keys guard = {{"name", "goal_distance"}, {"guard.monitor", "true"}};
  Keys difference = goal;
  difference.emplace_back("form", "difference");
  return {{"name", {}, "goal_distance"},
          {"distance", goal, "cosine"},
          {"form", goal, "squared"},
          {"form_gamma", difference, "0.9"},
          {"scale", {}, "2"},
          {"demo_scale", {}, "false"},
          {"head", {}, "bent"},
          {"dtype", goal, "bfloat16"},
          {"timing", {}, "immediate"},
          {"chunk_size", {}, "5"},
          {"every", {}, "2"},
          {"wrong_goal", goal, "true"},
          {"goal.kind", goal, "nearest"},
          {"goal.kind", goal, "env"},
          {"goal.last_frames", goal, "2"},
          {"goal.max_spread", goal, "0.01"},
          {"goal.medoids", medoids, "1"},
          {"progress.deviation", {{"name", "progress"}}, "0.5"},
          {"progress.entropy", {{"name", "progress"}}, "0.5"},
          {"goal_classifier.value", {{"name", "goal_classifier"}}, "logit"},
          {"transport.epsilon", transport, "0.5"},
          {"transport.iterations", transport, "2"},
          {"transport.context", transport, "3"},
          {"transport.mask", transport, "1"},
          {"potential.of", {{"name", "potential"}}, "ranking"},
          {"potential.gamma", {{"name", "potential"}}, "0.5"},
          {"tracking.min_step", {{"name", "nearest_neighbour"}}, "2"},
          {"tracking.max_step", {{"name", "nearest_neighbour"}}, "1"},
          {"tracking.progress", {{"name", "nearest_neighbour"}}, "0.5"},
          {"tracking.demo", {{"name", "tcn_tracking"}}, "1"},
          {"tracking.alpha", {{"name", "tcn_tracking"}}, "0.5"},
          {"tracking.beta", {{"name", "tcn_tracking"}}, "0.5"},
          {"tracking.gamma", {{"name", "tcn_tracking"}}, "0.5"},
          {"ensemble.of", ensemble, "nearest_neighbour"},
          {"ensemble.encoders", ensemble, "[" + testing::GreyEncoderFile("l2") + "]"},
          {"ensemble.combine", ensemble, "minimum"},
          {"ensemble.std_weight", lower, "0.5"},
          {"sum.parts", sum, "[goal_distance, success]"},
          {"sum.weights", sum, "[1, 0.25]"},
          {"guard.clip", goal, "[20, 80]"},
          {"guard.monitor", goal, "true"},
          {"guard.penalty", goal, "0.5"},
          {"guard.percentile", guard, "60"},
          {"classifier.weight", {}, "0.1"},
          {"classifier.clip", classifier, "0.01"},
          {"classifier.hidden", classifier, "[8]"},
          {"classifier.learning_rate", classifier, "0.01"},
          {"classifier.steps", classifier, "5"},
          {"classifier.batch_size", classifier, "9"},
          {"classifier.reservoir_rollouts", classifier, "1"},
          {"classifier.reservoir_frames", classifier, "3"},
          {"classifier.mixup_alpha", classifier, "0"}};
}

class RewardOptionActs : public ::testing::TestWithParam<Mutation> {};

TEST_P(RewardOptionActs, SomethingChanges) {
  const auto& mutation = GetParam();
  auto keys = mutation.base;
  const bool encoder_file = mutation.key == "dtype";
  const Outcome before = Observe(FromKeys(keys), encoder_file);
  ASSERT_EQ(before.refusal, "");
  EXPECT_EQ(Observe(FromKeys(keys), encoder_file), before);  // nothing else changes
  keys.emplace_back(mutation.key, mutation.value);
  EXPECT_NE(Observe(FromKeys(keys), encoder_file), before);
}
INSTANTIATE_TEST_SUITE_P(All, RewardOptionActs, ::testing::ValuesIn(Mutations()),
                         [](const auto& info) {
                           std::string name = info.param.key + "_" + std::to_string(info.index);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(RewardOptions, EveryKeyIsTried) {
  std::set<std::string> keys, tried;
  for (const auto& row : Describe(RewardOptions())) keys.insert(row.path);
  for (const auto& mutation : Mutations()) tried.insert(mutation.key);
  EXPECT_EQ(tried, keys);
}

// ---- shipped configs

TEST(RewardConfigs, EachBindsAndMakesItsReward) {
  const char* root = std::getenv("V2R_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(root) / "configs/reward")) {
    SCOPED_TRACE(entry.path().string());
    RewardOptions options;
    Bind(LoadYaml(entry.path()), options);
    const auto stem = entry.path().stem().string();
    EXPECT_EQ(options.classifier.weight, stem == "ranking_classifier" ? 0.1 : 0.0);
    if (stem == "ensemble") options.ensemble.encoders = {testing::GreyEncoderFile("cosine")};
    ScriptOptions script;
    script.goal_frames = true;
    const auto env = Assemble(options, script, options.name == "pixel_l2" ? nullptr : GreyEncoder(),
                              VariedDemos());
    env->Reset(1);
    for (const float reward : Rollout(*env, 4, testing::Forward))
      EXPECT_TRUE(std::isfinite(reward));
    ++count;
  }
  EXPECT_EQ(count, 20);
}

// ---- errors

std::string MakeError(const RewardOptions& options,
                      std::shared_ptr<const Encoder> encoder = GreyEncoder()) {
  return ErrorOf([&] { MakeRewardModel(options, encoder, torch::kCPU); });
}
std::string AssembleError(const RewardOptions& options, const ScriptOptions& script,
                          const ClipSet& demos = testing::GreyDemos()) {
  return ErrorOf([&] { Assemble(options, script, GreyEncoder(), demos); });
}

TEST(RewardErrors, UnknownNameWithTheNearest) {
  EXPECT_THAT(MakeError(Options("rankin")), HasSubstr("did you mean 'ranking'?"));
}

TEST(RewardErrors, MissingHeadNamesTheHeadsThereAre) {
  auto options = Options("ranking");
  options.head = "order";
  EXPECT_THAT(MakeError(options),
              ::testing::AllOf(HasSubstr("'order'"),
                               HasSubstr("bent, falling, goal, progress, rank, wide")));
  options.head = "wide";
  EXPECT_THAT(MakeError(options), HasSubstr("gives 2 numbers"));
  options.head = "falling";
  EXPECT_THAT(AssembleError(options, {}), HasSubstr("does not rise along the demonstrations"));
}

TEST(RewardErrors, EncoderMissingOrUnfit) {
  EXPECT_THAT(MakeError(Options("ranking"), nullptr),
              HasSubstr("reward 'ranking' needs an encoder"));
  EXPECT_THAT(ErrorOf([] { MakeRewardEncoder(Options("goal_distance"), "", torch::kCPU); }),
              HasSubstr("needs an encoder"));
  EXPECT_EQ(MakeRewardEncoder(Options("true"), "", torch::kCPU), nullptr);
  EXPECT_EQ(MakeRewardEncoder(Options("pixel_l2"), "", torch::kCPU)->embedding_dim(), 3 * 64 * 64);
  EncoderSpec spec;
  spec.input_size = 16;
  spec.width = 0.25;
  spec.frame_stack = 2;
  Rng rng(1);
  const auto stacked = std::make_shared<const Encoder>(
      MakeEncoder(MakeEncoderNet(spec, rng), {}, torch::kCPU, "float32"));
  EXPECT_THAT(MakeError(Options("goal_distance"), stacked), HasSubstr("frame_stack"));
  EXPECT_THAT(MakeError(Options("pixel_l2"), stacked), HasSubstr("'conv4'"));
}

TEST(RewardErrors, EmbeddingSizes) {
  for (const std::string name : {"goal_distance", "ranking"}) {
    auto reward = MakeRewardModel(Options(name), GreyEncoder(), torch::kCPU);
    DemoFeatures demos;
    EXPECT_THAT(ErrorOf([&] { reward->Calibrate(demos); }), HasSubstr("labelled 'good'"));
    demos.good = {torch::zeros({5, 7})};
    EXPECT_THAT(ErrorOf([&] { reward->Calibrate(demos); }),
                ::testing::AllOf(HasSubstr("[5, 7]"), HasSubstr("[frames, 768]")));
  }
}

TEST(RewardErrors, GoalPictureOfAnEnvWithoutOne) {
  auto options = Options("goal_distance");
  options.goal.kind = "env";
  EXPECT_THAT(AssembleError(options, {}), HasSubstr("draws no goal picture"));
}

TEST(RewardErrors, EnvWithoutPictures) {
  ScriptOptions script;
  script.render = false;
  EXPECT_THAT(AssembleError(Options("goal_distance"), script), HasSubstr("env.render=true"));
  const auto env = Assemble(Options("true"), script);  // reads none
  env->Reset(1);
  EXPECT_EQ(Rollout(*env, 1, testing::Forward)[0], 10);
}

TEST(RewardErrors, EnvThatDrawsSomeStepsOnly) {
  ScriptOptions script;
  script.render_every = 2;
  EXPECT_THAT(AssembleError(Options("goal_distance"), script), HasSubstr("env.render_every=2"));
  for (const char* name : {"goal_distance", "pixel_l2", "ranking"}) {
    EXPECT_THAT(ErrorOf([&] { RequireEveryPicture(Options(name), 3); }), HasSubstr(name));
    EXPECT_NO_THROW(RequireEveryPicture(Options(name), 1));
  }
  EXPECT_NO_THROW(Assemble(Options("true"), script)) << "reads none";
}

TEST(RewardErrors, LearnedTwice) {
  const auto options = Options("true");
  auto inner = MakeLearnedRewardEnv(MakeCounterEnv(1, 4, 16), nullptr,
                                    MakeRewardModel(options, nullptr, torch::kCPU), options, 1);
  EXPECT_THAT(ErrorOf([&] {
                MakeLearnedRewardEnv(std::move(inner), nullptr,
                                     MakeRewardModel(options, nullptr, torch::kCPU), options, 1);
              }),
              HasSubstr("learned already"));
}

TEST(RewardErrors, Contradictions) {
  auto options = Options("true");
  options.classifier.weight = 0.1;
  EXPECT_THAT(MakeError(options), HasSubstr("reward.classifier.weight"));
  options = Options("ranking");
  options.classifier.weight = 0.1;
  options.timing = "immediate";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.timing=immediate"));
  options = Options("ranking");
  options.wrong_goal = true;
  EXPECT_THAT(MakeError(options), HasSubstr("has no goal that could be wrong"));
  options = Options("ranking");
  options.goal.kind = "env";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.goal.kind: reward 'ranking' has no goal"));
  options = Options("true");
  options.form = "exp";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.form"));
  options = Options("ranking");
  options.distance = "cosine";
  EXPECT_THAT(MakeError(options), HasSubstr("reward.distance"));
}

TEST(RewardErrors, NoGoodDemonstrations) {
  ClipSet demos;
  demos.clips = {GreyClip("near_miss", {20, 40}), GreyClip("holiday", {20, 40})};
  EXPECT_THAT(AssembleError(Options("goal_distance"), {}, demos),
              ::testing::AllOf(HasSubstr("no clip is labelled 'good'"), HasSubstr("holiday")));
}

TEST(RewardErrors, CheckpointOfAnotherRun) {
  const auto state_of = [](const RewardOptions& options, std::shared_ptr<const Encoder> encoder,
                           int64_t num_envs) {
    ScriptOptions script;
    script.num_envs = num_envs;
    const auto env = Assemble(options, script, encoder);
    env->Reset(1);
    Rollout(*env, 2, testing::Forward);
    StateDict state;
    env->SaveState(state);
    return state;
  };
  const auto goal = Options("goal_distance");
  const auto load = [&](const StateDict& state) {
    return ErrorOf([&] { Assemble(goal, {})->LoadState(state); });
  };
  const auto other = GreyEncoder("cosine");
  EXPECT_THAT(
      load(state_of(goal, other, 1)),
      ::testing::AllOf(HasSubstr(other->Fingerprint()), HasSubstr(GreyEncoder()->Fingerprint())));
  EXPECT_THAT(load(state_of(Options("ranking"), GreyEncoder(), 1)),
              HasSubstr("holds the reward 'ranking'"));
  EXPECT_THAT(load(state_of(goal, GreyEncoder(), 2)), HasSubstr("2 environments, this run has 1"));
  EXPECT_THAT(load({}), HasSubstr("no learned reward"));
  auto online = goal;
  online.classifier.weight = 0.1;
  EXPECT_THAT(ErrorOf([&] { Assemble(online, {})->LoadState(state_of(goal, GreyEncoder(), 1)); }),
              HasSubstr("no classifier"));
}

}  // namespace
}  // namespace v2r
