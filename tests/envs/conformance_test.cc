// What every registered environment promises, without pictures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

class EnvConformance : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<VectorEnv> Make(int64_t num_envs = 4) {
    return MakeVectorEnv(Small(GetParam(), num_envs));
  }
};

TEST_P(EnvConformance, SpecIsSane) {
  const auto env = Make();
  const VectorEnvSpec& spec = env->Spec();
  EXPECT_EQ(spec.name, GetParam());
  EXPECT_FALSE(EnvDoc(spec.name).empty());
  EXPECT_EQ(spec.num_envs, 4);
  EXPECT_GT(spec.obs_dim, 0);
  ASSERT_GT(spec.act_dim, 0);
  ASSERT_EQ(static_cast<int64_t>(spec.act_low.size()), spec.act_dim);
  ASSERT_EQ(spec.act_high.size(), spec.act_low.size());
  for (int64_t j = 0; j < spec.act_dim; ++j) EXPECT_LT(spec.act_low[j], spec.act_high[j]);
  EXPECT_GT(spec.max_episode_steps, 0);
  EXPECT_GT(spec.control_dt, 0);
  EXPECT_EQ(spec.height, 0) << "nothing is drawn";
  EXPECT_FALSE(spec.deferred_rewards);
}

TEST_P(EnvConformance, RowsAreFiniteAndComplete) {
  const auto env = Make();
  const VectorEnvSpec& spec = env->Spec();
  for (const Seen& seen : Roll(*env, 3, static_cast<int>(spec.max_episode_steps) + 5)) {
    ASSERT_EQ(static_cast<int64_t>(seen.obs.size()), spec.num_envs * spec.obs_dim);
    ASSERT_EQ(static_cast<int64_t>(seen.reward.size()), spec.num_envs);
    for (float x : seen.obs) ASSERT_TRUE(std::isfinite(x));
    for (float x : seen.obs) ASSERT_LT(std::abs(x), 20) << "observations are of order one";
    for (float x : seen.reward) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST_P(EnvConformance, SeedDecidesEverything) {
  const auto env = Make(), other = Make();
  const auto first = Roll(*env, 5, 12);
  EXPECT_TRUE(first == Roll(*other, 5, 12)) << "another instance";
  EXPECT_TRUE(first == Roll(*env, 5, 12)) << "the same instance once more";
  EXPECT_NE(first[0].obs, Roll(*env, 6, 0)[0].obs);
}

TEST_P(EnvConformance, EnvsDifferAndEpisodesDiffer) {
  EnvOptions options = Small(GetParam());
  options.max_episode_steps = 2;
  const auto env = MakeVectorEnv(options);
  const auto seen = Roll(*env, 5, 2);
  const int64_t width = env->Spec().obs_dim;
  EXPECT_NE(RowOf(seen[0].obs, 0, width), RowOf(seen[0].obs, 1, width));
  EXPECT_NE(RowOf(seen[0].obs, 0, width), RowOf(seen[2].obs, 0, width))
      << "first states of episodes 0 and 1";
}

TEST_P(EnvConformance, ThreadsDoNotMatter) {
  EnvOptions one = Small(GetParam(), 5), two = one;
  one.env_threads = 1;
  one.max_episode_steps = two.max_episode_steps = 7;
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
    ASSERT_EQ(single.reward[0], many.reward[0]);
  }
}

TEST_P(EnvConformance, TruncatesAtTheLimitAndNeverTerminates) {
  const auto env = Make();
  const int64_t limit = env->Spec().max_episode_steps;
  const auto seen = Roll(*env, 2, static_cast<int>(2 * limit));
  for (int64_t t = 1; t <= 2 * limit; ++t) {
    for (int64_t i = 0; i < 4; ++i) {
      ASSERT_EQ(seen[t].terminated[i], 0);
      ASSERT_EQ(seen[t].truncated[i], t % limit == 0) << t;
      ASSERT_EQ(seen[t].episode_step[i], (t - 1) % limit + 1);
      ASSERT_EQ(seen[t].episode_id[i], (t - 1) / limit);
    }
    ASSERT_EQ(seen[t].obs == seen[t].next_obs, t % limit != 0) << t;
  }
}

TEST_P(EnvConformance, StateIsBitExact) {
  EnvOptions options = Small(GetParam());
  options.distractors = true;
  options.max_episode_steps = 9;
  const auto env = MakeVectorEnv(options), other = MakeVectorEnv(options);
  Roll(*env, 4, 13);
  StateDict state;
  env->SaveState(state);
  Roll(*other, 8, 3);
  other->LoadState(state);
  std::vector<float> here(4), there(4);
  env->TrueDistance(here);
  other->TrueDistance(there);
  EXPECT_EQ(here, there);
  Rng rng(1), expert_a(2), expert_b(2);
  for (int t = 0; t < 25; ++t) {
    auto actions = RandomActions(env->Spec(), rng), same = actions;
    if (t % 3 == 0) {
      const auto skill = t % 2 == 0 ? ExpertSkill::kNearMiss : ExpertSkill::kRandom;
      env->ExpertActions(skill, expert_a, actions);
      other->ExpertActions(skill, expert_b, same);
      ASSERT_EQ(actions, same);
    }
    ASSERT_TRUE(Look(env->Step(actions)) == Look(other->Step(same))) << t;
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

// Fraction of episodes whose last state is a success, and the distances there.
double SuccessRate(VectorEnv& env, ExpertSkill skill, std::vector<float>& distance) {
  BatchView view = env.Reset(11);
  Rng rng(12);
  std::vector<float> actions(env.Spec().num_envs * env.Spec().act_dim);
  for (int64_t t = 1; t <= env.Spec().max_episode_steps; ++t) {
    env.ExpertActions(skill, rng, actions);
    if (t == env.Spec().max_episode_steps) env.TrueDistance(distance);
    view = env.Step(actions);
  }
  double sum = 0;
  for (uint8_t s : view.success) sum += s;
  return sum / static_cast<double>(env.Spec().num_envs);
}

TEST_P(EnvConformance, ExpertDoesWhatItIsAskedFor) {
  const auto env = Make(128);
  std::vector<float> distance(128);
  EXPECT_GE(SuccessRate(*env, ExpertSkill::kGood, distance), .95);
  EXPECT_LE(SuccessRate(*env, ExpertSkill::kNearMiss, distance), .01);
  for (float d : distance) {
    EXPECT_GT(d, .045) << "a near miss is visibly beside the goal";
    EXPECT_LT(d, .095) << "and near it";
  }
  EXPECT_LE(SuccessRate(*env, ExpertSkill::kRandom, distance), .05);
}

TEST_P(EnvConformance, RewardRanksTheExperts) {
  const auto env = Make(32);
  std::vector<float> distance(32), actions(32 * env->Spec().act_dim);
  const auto mean_return = [&](ExpertSkill skill) {
    env->Reset(3);
    Rng rng(4);
    double sum = 0;
    for (int64_t t = 0; t < env->Spec().max_episode_steps; ++t) {
      env->ExpertActions(skill, rng, actions);
      const BatchView view = env->Step(actions);
      for (float r : view.env_reward) sum += r / 32;
    }
    return sum;
  };
  const double good = mean_return(ExpertSkill::kGood), miss = mean_return(ExpertSkill::kNearMiss),
               random = mean_return(ExpertSkill::kRandom);
  EXPECT_GT(good, miss);
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
