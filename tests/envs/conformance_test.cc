// What every registered environment promises, without pictures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "core/error.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

class EnvConformance : public testing::TestWithParam<std::string> {
 protected:
  // `limit`: steps an episode, 0 = the task's own, which may be a thousand.
  EnvOptions Brief(int64_t num_envs = 4, int64_t limit = 7) const {
    EnvOptions options = Small(GetParam(), num_envs);
    options.max_episode_steps = limit;
    return options;
  }
  std::unique_ptr<VectorEnv> Make(int64_t num_envs = 4, int64_t limit = 7) const {
    return MakeVectorEnv(Brief(num_envs, limit));
  }
};

TEST_P(EnvConformance, SpecIsSane) {
  const auto env = Make(4, 0);
  const VectorEnvSpec& spec = env->Spec();
  EXPECT_EQ(spec.name, GetParam());
  EXPECT_FALSE(EnvDoc(spec.name).empty());
  EXPECT_EQ(spec.num_envs, 4);
  EXPECT_GT(spec.obs_dim, 0);
  ASSERT_GT(spec.act_dim, 0);
  ASSERT_EQ(static_cast<int64_t>(spec.act_low.size()), spec.act_dim);
  ASSERT_EQ(spec.act_high.size(), spec.act_low.size());
  for (int64_t j = 0; j < spec.act_dim; ++j) {
    EXPECT_LT(spec.act_low[j], spec.act_high[j]);
    EXPECT_TRUE(std::isfinite(spec.act_low[j]) && std::isfinite(spec.act_high[j]));
  }
  EXPECT_GT(spec.max_episode_steps, 0);
  EXPECT_EQ(Make(4, 3)->Spec().max_episode_steps, 3);
  EXPECT_GT(spec.control_dt, 0);
  EXPECT_EQ(spec.height, 0) << "nothing is drawn";
  EXPECT_FALSE(spec.deferred_rewards);
  int64_t info_dim = 0;
  std::set<std::string> names;
  for (const InfoField& field : spec.info) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name << " twice";
    EXPECT_GT(field.size, 0) << field.name;
    info_dim += field.size;
  }
  EXPECT_EQ(spec.info_dim, info_dim);
}

TEST_P(EnvConformance, KeysOfTheTaskHaveTextAndNoOtherIsTaken) {
  for (const FieldDoc& field : EnvTaskFields(GetParam())) {
    EXPECT_THAT(field.path, testing::StartsWith("env.task."));
    EXPECT_FALSE(field.doc.empty()) << field.path;
  }
  EnvOptions options = Brief();
  options.task = ParseYaml("no_such_key: 1", "test");
  try {
    MakeVectorEnv(options);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("no_such_key"));
  }
}

TEST_P(EnvConformance, RowsAreFiniteAndComplete) {
  const auto env = Make(4, IsOwn(GetParam()) ? 0 : 25);
  const VectorEnvSpec& spec = env->Spec();
  const auto rows = Roll(*env, 3, static_cast<int>(spec.max_episode_steps) + 5);
  for (const Seen& seen : rows) {
    ASSERT_EQ(static_cast<int64_t>(seen.obs.size()), spec.num_envs * spec.obs_dim);
    ASSERT_EQ(static_cast<int64_t>(seen.reward.size()), spec.num_envs);
    ASSERT_EQ(static_cast<int64_t>(seen.info.size()), spec.num_envs * spec.info_dim);
    for (float x : seen.obs) ASSERT_TRUE(std::isfinite(x));
    if (IsOwn(GetParam())) {
      for (float x : seen.obs) ASSERT_LT(std::abs(x), 20) << "observations are of order one";
    }
    for (int64_t i = 0; i < spec.num_envs; ++i) {
      ASSERT_TRUE(std::isfinite(seen.reward[i]));
      ASSERT_EQ(seen.reward[i], static_cast<float>(seen.env_reward[i]));
    }
    for (double x : seen.info) ASSERT_TRUE(std::isfinite(x));
  }
  EXPECT_THAT(rows[0].info, testing::Each(0.0)) << "no step was taken";
}

TEST_P(EnvConformance, SeedDecidesEverything) {
  const auto env = Make(), other = Make();
  const auto first = Roll(*env, 5, 12);
  EXPECT_TRUE(first == Roll(*other, 5, 12)) << "another instance";
  EXPECT_TRUE(first == Roll(*env, 5, 12)) << "the same instance once more";
  EXPECT_NE(first[0].obs, Roll(*env, 6, 0)[0].obs);
}

TEST_P(EnvConformance, EnvsDifferAndEpisodesDiffer) {
  const auto env = Make(4, 1);
  const auto seen = Roll(*env, 5, 1);
  const int64_t width = env->Spec().obs_dim;
  EXPECT_NE(RowOf(seen[0].obs, 0, width), RowOf(seen[0].obs, 1, width));
  EXPECT_NE(RowOf(seen[0].obs, 0, width), RowOf(seen[1].obs, 0, width))
      << "first states of episodes 0 and 1";
}

TEST_P(EnvConformance, ThreadsDoNotMatter) {
  EnvOptions one = Brief(5), two = one;
  one.env_threads = 1;
  EXPECT_TRUE(Roll(*MakeVectorEnv(one), 1, 20) == Roll(*MakeVectorEnv(two), 1, 20));
}

TEST_P(EnvConformance, NeighboursDoNotMatter) {
  const auto alone = Make(1), crowd = Make(3);
  Look(alone->Reset(9));
  Look(crowd->Reset(9));
  Rng rng(1);
  for (int t = 0; t < 10; ++t) {
    const auto actions = RandomActions(crowd->Spec(), rng);
    const Seen many = Look(crowd->Step(actions));
    const Seen single = Look(alone->Step(std::span(actions).first(alone->Spec().act_dim)));
    ASSERT_EQ(single.next_obs, RowOf(many.next_obs, 0, crowd->Spec().obs_dim));
    ASSERT_EQ(single.env_reward[0], many.env_reward[0]);
    ASSERT_EQ(single.info, RowOf(many.info, 0, crowd->Spec().info_dim));
  }
}

TEST_P(EnvConformance, EpisodesEndByThemselvesOrAtTheLimitAndStartAnew) {
  constexpr int64_t kLimit = 7;
  const auto env = Make(4, kLimit);
  const int64_t width = env->Spec().obs_dim;
  const auto seen = Roll(*env, 2, 4 * kLimit);
  const auto starts = Roll(*Make(4, 1), 2, 4 * kLimit);  // row k: first states of episodes k
  for (int64_t i = 0; i < 4; ++i) {
    int64_t episode = 0, step = 0;
    for (const Seen& s : std::span(seen).subspan(1)) {
      ++step;
      if (IsOwn(GetParam())) {
        ASSERT_EQ(s.terminated[i], 0);
      }
      ASSERT_EQ(s.truncated[i], step == kLimit && !s.terminated[i]) << step;
      ASSERT_EQ(s.episode_step[i], step);
      ASSERT_EQ(s.episode_id[i], episode);
      if (s.Ended(i)) {
        ++episode;
        step = 0;
        ASSERT_EQ(RowOf(s.obs, i, width), RowOf(starts[episode].obs, i, width))
            << "the first state of episode " << episode;
        ASSERT_NE(RowOf(s.obs, i, width), RowOf(s.next_obs, i, width));
      } else {
        ASSERT_EQ(RowOf(s.obs, i, width), RowOf(s.next_obs, i, width)) << step;
      }
    }
    EXPECT_GE(episode, 4);
  }
}

// Whether the task has an expert; its actions are then in `actions`. Own tasks must.
bool Expert(VectorEnv& env, ExpertSkill skill, Rng& rng, std::span<float> actions) {
  try {
    env.ExpertActions(skill, rng, actions);
    return true;
  } catch (const UserError& error) {
    EXPECT_FALSE(IsOwn(env.Spec().name)) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr("expert"));
    return false;
  }
}

TEST_P(EnvConformance, StateIsBitExact) {
  const EnvOptions options = Busy(Brief(4, 9));
  const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
  Roll(*env, 4, 13);
  StateDict state;
  env->SaveState(state);
  Roll(*other, 8, 3);
  other->LoadState(state);
  std::vector<float> here(4), there(4);
  env->TrueDistance(here);
  other->TrueDistance(there);
  EXPECT_EQ(0, std::memcmp(here.data(), there.data(), 4 * sizeof(float))) << "NaN where unknown";
  Rng rng(1), expert_a(2), expert_b(2);
  for (int t = 0; t < 25; ++t) {
    auto actions = RandomActions(env->Spec(), rng), same = actions;
    if (t % 3 == 0) {
      const auto skill = t % 2 == 0 ? ExpertSkill::kNearMiss : ExpertSkill::kRandom;
      Expert(*env, skill, expert_a, actions);
      Expert(*other, skill, expert_b, same);
      ASSERT_EQ(actions, same);
    }
    ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(same))) << t;
  }
}

TEST_P(EnvConformance, ActionThatIsNotANumberIsRefused) {
  const auto env = Make(3), other = Make(3);
  env->Reset(1);
  other->Reset(1);
  Rng rng(1);
  const auto actions = RandomActions(env->Spec(), rng);
  auto bad = actions;
  bad.back() = std::numeric_limits<float>::quiet_NaN();
  try {
    env->StepAsync(bad);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(fmt::format("action {} of env 2 is nan",
                                                             env->Spec().act_dim - 1)));
  }
  EXPECT_TRUE(Look(env->Step(actions)) == Look(other->Step(actions))) << "nothing has happened";
}

TEST_P(EnvConformance, DistractorsAreThereOrRefused) {
  EnvOptions options = Brief();
  options.distractors = ClassicDistractors();
  try {
    MakeVectorEnv(options)->Reset(1);
  } catch (const UserError& error) {
    EXPECT_FALSE(IsOwn(GetParam()));
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("env.distractors"),
                                             testing::HasSubstr(GetParam())));
  }
}

TEST_P(EnvConformance, StateOfOtherShapeIsRefused) {
  const auto env = Make(), larger = Make(5);
  env->Reset(1);
  StateDict state;
  env->SaveState(state);
  EXPECT_THROW(larger->LoadState(state), UserError);
  state["name"] = TextBlob("v2r/other");
  EXPECT_THROW(env->LoadState(state), UserError);
}

// Fraction of episodes whose last state is a success, and the distances there; nothing for a task
// without an expert.
std::optional<double> SuccessRate(VectorEnv& env, ExpertSkill skill, std::vector<float>& distance) {
  BatchView view = env.Reset(11);
  Rng rng(12);
  std::vector<float> actions(env.Spec().num_envs * env.Spec().act_dim);
  for (int64_t t = 1; t <= env.Spec().max_episode_steps; ++t) {
    if (!Expert(env, skill, rng, actions)) return {};
    if (t == env.Spec().max_episode_steps) env.TrueDistance(distance);
    view = env.Step(actions);
  }
  double sum = 0;
  for (uint8_t s : view.success) sum += s;
  return sum / static_cast<double>(env.Spec().num_envs);
}

TEST_P(EnvConformance, ExpertDoesWhatItIsAskedFor) {
  const auto env = Make(IsOwn(GetParam()) ? 128 : 1, 0);
  std::vector<float> distance(env->Spec().num_envs);
  const auto good = SuccessRate(*env, ExpertSkill::kGood, distance);
  if (!good) return;
  EXPECT_GE(*good, .95);
  EXPECT_LE(*SuccessRate(*env, ExpertSkill::kNearMiss, distance), .01);
  const double near = GetParam() == "metaworld/door-close" ? .14 : .095;  // 8 cm off is a success
  for (float d : distance) {
    EXPECT_GT(d, .045) << "a near miss is visibly beside the goal";
    EXPECT_LT(d, near) << "and near it";
  }
  EXPECT_LE(*SuccessRate(*env, ExpertSkill::kRandom, distance), .05);
}

TEST_P(EnvConformance, RewardRanksTheExperts) {
  const int64_t n = IsOwn(GetParam()) ? 32 : 1;
  const auto env = Make(n, 0);
  std::vector<float> actions(n * env->Spec().act_dim);
  const auto mean_return = [&](ExpertSkill skill) -> std::optional<double> {
    env->Reset(3);
    Rng rng(4);
    double sum = 0;
    for (int64_t t = 0; t < env->Spec().max_episode_steps; ++t) {
      if (!Expert(*env, skill, rng, actions)) return {};
      const BatchView view = env->Step(actions);
      for (double r : view.env_reward) sum += r / static_cast<double>(n);
    }
    return sum;
  };
  const auto good = mean_return(ExpertSkill::kGood);
  if (!good) return;
  const double miss = *mean_return(ExpertSkill::kNearMiss),
               random = *mean_return(ExpertSkill::kRandom);
  EXPECT_GT(*good, miss);
  EXPECT_GT(miss, random);
}

INSTANTIATE_TEST_SUITE_P(Registry, EnvConformance, testing::ValuesIn(EnvNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(EnvRegistry, UnknownNameSaysTheNearest) {
  try {
    MakeVectorEnv(Small("v2r/reech"));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean 'v2r/reach'"));
  }
}

}  // namespace
}  // namespace v2r
