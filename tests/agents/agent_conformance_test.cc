// What every registered agent must do.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "agents/make.h"
#include "agents/runner.h"
#include "core/torch_rng.h"
#include "tests/agents/point_env.h"
#include "tests/golden.h"

namespace v2r {
namespace {

constexpr int64_t kObs = 4, kAct = 2, kEnvs = 6, kSteps = 9;

class AgentConformance : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Agent> Make(uint64_t seed) {
    AgentOptions options;
    options.name = GetParam();
    options.ppo.batch_size = 16;
    Rng rng(seed);
    return MakeAgent(options, kObs, kAct, rng, TestDevice());
  }
};

StateDict StateOf(const Agent& agent) {
  StateDict state;
  agent.SaveState(state);
  return state;
}

void ExpectEqual(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, blob] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_EQ(blob.shape, b.at(name).shape) << name;
    EXPECT_EQ(blob.bytes, b.at(name).bytes) << name;
  }
}

std::vector<float> Observations(Rng& rng) {
  std::vector<float> obs(kObs * kEnvs);
  for (float& value : obs) value = static_cast<float>(3 + 2 * rng.Normal());
  return obs;
}

// A rollout on made-up data, acted on by `agent`.
Rollout Act(Agent& agent, Rng& rng) {
  Rollout r;
  r.T = kSteps;
  r.N = kEnvs;
  r.obs = torch::zeros({kSteps, kEnvs, kObs});
  r.next_obs = RandomNormal(rng, {kSteps, kEnvs, kObs});
  r.actions = torch::zeros({kSteps, kEnvs, kAct});
  r.log_probs = torch::zeros({kSteps, kEnvs});
  r.values = torch::zeros({kSteps, kEnvs});
  r.rewards = RandomNormal(rng, {kSteps, kEnvs});
  r.terminated = torch::zeros({kSteps, kEnvs}, torch::kUInt8);
  r.truncated = torch::zeros({kSteps, kEnvs}, torch::kUInt8);
  r.terminated[3][1] = 1;
  r.truncated[5][2] = 1;
  for (int64_t t = 0; t < kSteps; ++t) {
    const auto obs = Observations(rng);
    std::copy(obs.begin(), obs.end(), r.obs[t].data_ptr<float>());
    agent.Act(obs, ActMode::kSample, rng, {r.actions[t].data_ptr<float>(), kAct * kEnvs},
              {r.log_probs[t].data_ptr<float>(), kEnvs}, {r.values[t].data_ptr<float>(), kEnvs});
  }
  return r;
}

TEST_P(AgentConformance, HasADescription) { EXPECT_FALSE(AgentDoc(GetParam()).empty()); }

TEST_P(AgentConformance, ALoadedAgentContinuesBitForBit) {
  auto first = Make(1), second = Make(2);
  Rng rng(7), other(7);
  first->Update(Act(*first, rng), 0.0, rng);
  const StateDict saved = StateOf(*first);
  second->LoadState(saved);
  ExpectEqual(StateOf(*second), saved);
  other.Load(rng.Save());
  for (int k = 0; k < 2; ++k) {
    const Metrics a = first->Update(Act(*first, rng), 0.5, rng);
    const Metrics b = second->Update(Act(*second, other), 0.5, other);
    EXPECT_EQ(a, b);
    ExpectEqual(StateOf(*first), StateOf(*second));
  }
  EXPECT_NE(StateOf(*first).at("network.critic.0.weight").bytes,
            saved.at("network.critic.0.weight").bytes);
}

TEST_P(AgentConformance, DeterministicActingChangesNothing) {
  auto agent = Make(1);
  Rng rng(7);
  agent->Update(Act(*agent, rng), 0.0, rng);
  const StateDict before = StateOf(*agent);
  const Rng::State rng_before = rng.Save();
  Rng data(3);
  const auto obs = Observations(data);
  std::vector<float> once(kAct * kEnvs), again(kAct * kEnvs);
  agent->Act(obs, ActMode::kDeterministic, rng, once, {}, {});
  agent->Act(obs, ActMode::kDeterministic, rng, again, {}, {});
  EXPECT_EQ(once, again);
  ExpectEqual(StateOf(*agent), before);
  EXPECT_EQ(rng.Save().counter, rng_before.counter);
  EXPECT_EQ(rng.Save().position, rng_before.position);
}

TEST_P(AgentConformance, SamplesDifferAndLearnStatistics) {
  auto agent = Make(1);
  Rng rng(7);
  const StateDict before = StateOf(*agent);
  Rng data(3);
  const auto obs = Observations(data);
  std::vector<float> once(kAct * kEnvs), again(kAct * kEnvs);
  agent->Act(obs, ActMode::kSample, rng, once, {}, {});
  agent->Act(obs, ActMode::kSample, rng, again, {}, {});
  EXPECT_NE(once, again);
  bool changed = false;
  for (const auto& [name, blob] : StateOf(*agent))
    changed = changed || blob.bytes != before.at(name).bytes;
  EXPECT_TRUE(changed);
}

TEST_P(AgentConformance, ANotFiniteObservationIsAUserError) {
  auto agent = Make(1);
  Rng rng(7);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto obs = Observations(rng);
    obs[2 * kObs + 3] = bad;
    std::vector<float> actions(kAct * kEnvs);
    try {
      agent->Act(obs, ActMode::kDeterministic, rng, actions, {}, {});
      FAIL() << "accepted " << bad;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("environment 2"));
      EXPECT_THAT(error.what(), ::testing::HasSubstr("element 3"));
    }
  }
}

TEST_P(AgentConformance, ANotFiniteRewardIsAUserError) {
  auto agent = Make(1);
  Rng rng(7);
  const Rollout rollout = Act(*agent, rng);
  rollout.rewards[4][5] = std::nanf("");
  EXPECT_THROW(agent->Update(rollout, 0.0, rng), UserError);
}

TEST_P(AgentConformance, AnotherShapeIsRefused) {
  const StateDict saved = StateOf(*Make(1));
  AgentOptions options;
  options.name = GetParam();
  Rng rng(1);
  auto wider = MakeAgent(options, kObs + 1, kAct, rng, TestDevice());
  EXPECT_THROW(wider->LoadState(saved), UserError);
  EXPECT_THROW(wider->LoadState({}), UserError);
}

INSTANTIATE_TEST_SUITE_P(All, AgentConformance, ::testing::ValuesIn(AgentNames()));

TEST(Agents, AnUnknownNameGetsASuggestion) {
  AgentOptions options;
  options.name = "ppoo";
  Rng rng;
  try {
    MakeAgent(options, 3, 1, rng, torch::kCPU);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean 'ppo'"));
  }
}

}  // namespace
}  // namespace v2r
