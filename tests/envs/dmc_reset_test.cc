// How episodes of the dmc/ tasks start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/envs/dmc_model.h"
#include "tests/envs/drive.h"

namespace v2r {
namespace {

constexpr double kPi = std::numbers::pi;

// The starts of many episodes of one task, with the model of its MJCF to look things up in.
class Starts {
 public:
  explicit Starts(const std::string& id, int rounds = 8) : model_(DmcModel(id)) {
    constexpr int64_t kEnvs = 32;
    EnvOptions options = Small(id, kEnvs);
    options.max_episode_steps = 1;
    const auto env = MakeVectorEnv(options);
    BatchView view = env->Reset(21);
    const std::vector<float> rest(kEnvs * env->Spec().act_dim);
    for (int round = 0; round < rounds; ++round) {
      StateDict state;
      env->SaveState(state);
      const auto rows = state.at("sim").as<double>();
      const auto width = rows.size() / kEnvs;
      for (int64_t i = 0; i < kEnvs; ++i) {
        rows_.emplace_back(rows.begin() + i * width, rows.begin() + (i + 1) * width);
        const auto obs = view.obs.subspan(i * env->Spec().obs_dim, env->Spec().obs_dim);
        obs_.emplace_back(obs.begin(), obs.end());
      }
      view = env->Step(rest);
    }
  }

  const mjModel* model() const { return model_.get(); }
  const std::vector<std::vector<double>>& obs() const { return obs_; }
  // Component k of mjSTATE_INTEGRATION (one mjtState bit) in every start.
  std::vector<double> Component(int bit, int k) const {
    const int at = mj_stateSize(model(), bit - 1) + k;  // the bits below come before
    std::vector<double> values;
    for (const auto& row : rows_) values.push_back(row[at]);
    return values;
  }
  std::vector<double> Qpos(int k) const { return Component(mjSTATE_QPOS, k); }
  std::vector<double> Qvel(int k) const { return Component(mjSTATE_QVEL, k); }
  // Forward kinematics of start i.
  DataPtr Data(size_t i) const {
    DataPtr data(mj_makeData(model()));
    std::copy_n(rows_[i].begin() + 1, model()->nq, data->qpos);
    mj_fwdPosition(model(), data.get());
    return data;
  }
  size_t count() const { return rows_.size(); }

 private:
  ModelPtr model_;
  std::vector<std::vector<double>> rows_, obs_;
};

// Kolmogorov-Smirnov: the largest distance of the empirical distribution from `cdf`, in units of
// 1 / sqrt(n). Above 2.2 for one in 8000 right samples.
template <typename Cdf>
double Gap(std::vector<double> values, Cdf cdf) {
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  double gap = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const double c = cdf(values[k]);
    gap = std::max({gap, std::abs(c - k / n), std::abs(c - (k + 1) / n)});
  }
  return gap * std::sqrt(n);
}

void ExpectUniform(const std::vector<double>& values, double low, double high) {
  EXPECT_THAT(values, testing::Each(testing::AllOf(testing::Ge(low), testing::Le(high))));
  EXPECT_LT(Gap(values, [&](double x) { return (x - low) / (high - low); }), 2.2);
}

void ExpectNormal(const std::vector<double>& values, double mean, double deviation) {
  EXPECT_LT(
      Gap(values,
          [&](double x) { return std::erfc((mean - x) / (deviation * std::numbers::sqrt2)) / 2; }),
      2.2);
}

void ExpectJointsUniform(const Starts& starts) {
  const mjModel* m = starts.model();
  for (int j = 0; j < m->njnt; ++j) {
    SCOPED_TRACE(mj_id2name(m, mjOBJ_JOINT, j));
    const auto q = starts.Qpos(m->jnt_qposadr[j]);
    if (m->jnt_limited[j]) {
      ExpectUniform(q, m->jnt_range[2 * j], m->jnt_range[2 * j + 1]);
    } else if (m->jnt_type[j] == mjJNT_HINGE) {
      ExpectUniform(q, -kPi, kPi);
    } else {
      EXPECT_THAT(q, testing::Each(0.0));
    }
  }
  for (int k = 0; k < m->nv; ++k) EXPECT_THAT(starts.Qvel(k), testing::Each(0.0));
}

TEST(DmcReset, JointsFillTheirRanges) {
  ExpectJointsUniform(Starts("dmc/point_mass_easy"));
  ExpectJointsUniform(Starts("dmc/reacher_hard"));
  ExpectJointsUniform(Starts("dmc/walker_run"));
  ExpectJointsUniform(Starts("dmc/hopper_stand"));
  ExpectJointsUniform(Starts("dmc/pendulum_swingup"));
}

TEST(DmcReset, CartpoleStartsUprightOrHanging) {
  const Starts balance("dmc/cartpole_balance_sparse");
  ExpectUniform(balance.Qpos(0), -.1, .1);
  ExpectUniform(balance.Qpos(1), -.034, .034);
  const Starts swingup("dmc/cartpole_swingup");
  ExpectNormal(swingup.Qpos(0), 0, .01);
  ExpectNormal(swingup.Qpos(1), kPi, .01);
  for (int k = 0; k < 2; ++k) {
    ExpectNormal(balance.Qvel(k), 0, .01);
    ExpectNormal(swingup.Qvel(k), 0, .01);
  }
}

TEST(DmcReset, NothingTouchesAtTheStart) {
  for (const std::string id :
       {"dmc/finger_spin", "dmc/finger_turn_hard", "dmc/humanoid_run", "dmc/ball_in_cup_catch"}) {
    SCOPED_TRACE(id);
    const Starts starts(id, 2);
    const mjModel* m = starts.model();
    for (size_t i = 0; i < starts.count(); ++i) ASSERT_EQ(starts.Data(i)->ncon, 0);
    for (int j = 0; j < m->njnt; ++j) {
      if (!m->jnt_limited[j]) continue;
      const double low = m->jnt_range[2 * j], high = m->jnt_range[2 * j + 1];
      const auto q = starts.Qpos(m->jnt_qposadr[j]);
      EXPECT_THAT(q, testing::Each(testing::AllOf(testing::Ge(low), testing::Le(high))));
      EXPECT_GT(*std::max_element(q.begin(), q.end()), low + .7 * (high - low));
      EXPECT_LT(*std::min_element(q.begin(), q.end()), low + .3 * (high - low));
    }
  }
}

// suite/utils/randomizers.py draws the four numbers from [0, 1), so that the rotations of a free
// joint do not fill the sphere.
TEST(DmcReset, HumanoidTurnsAsInDmControl) {
  const Starts starts("dmc/humanoid_stand", 2);
  EXPECT_THAT(starts.Qpos(0), testing::Each(0.0));
  EXPECT_THAT(starts.Qpos(1), testing::Each(0.0));
  EXPECT_THAT(starts.Qpos(2), testing::Each(1.5));
  for (size_t i = 0; i < starts.count(); ++i) {
    double norm = 0;
    for (int k = 3; k < 7; ++k) {
      const double q = starts.Qpos(k)[i];
      EXPECT_GE(q, 0);
      norm += q * q;
    }
    EXPECT_NEAR(norm, 1, 1e-12);
  }
}

TEST(DmcReset, BallStartsInABoxBelowTheCup) {
  const Starts starts("dmc/ball_in_cup_catch");
  EXPECT_THAT(starts.Qpos(0), testing::Each(0.0));
  EXPECT_THAT(starts.Qpos(1), testing::Each(0.0));
  ExpectUniform(starts.Qpos(2), -.2, .2);
  EXPECT_THAT(starts.Qpos(3), testing::Each(testing::AllOf(testing::Ge(.2), testing::Le(.5))));
}

TEST(DmcReset, CheetahHasSettled) {
  const Starts starts("dmc/cheetah_run", 2);
  const mjModel* m = starts.model();
  EXPECT_THAT(starts.Component(mjSTATE_TIME, 0), testing::Each(0.0));
  const auto first = starts.Qpos(3);
  EXPECT_NE(first[0], first[1]);
  double mean_speed = 0;
  for (size_t i = 0; i < starts.count(); ++i) {
    const DataPtr data = starts.Data(i);
    EXPECT_GT(data->ncon, 0) << "on the ground";
    mean_speed += std::abs(starts.Qvel(1)[i]) / static_cast<double>(starts.count());
    double warmstart = 0;
    for (int k = 0; k < m->nv; ++k) {
      warmstart += std::abs(starts.Component(mjSTATE_WARMSTART, k)[i]);
    }
    EXPECT_GT(warmstart, 0) << "what the simulation of the reset leaves";
  }
  EXPECT_LT(mean_speed, .1) << "m/s, upwards";
}

TEST(DmcReset, ReacherTargetsLieInARing) {
  for (const std::string id : {"dmc/reacher_easy", "dmc/reacher_hard"}) {
    const Starts starts(id);
    const int finger = RequireId(starts.model(), mjOBJ_GEOM, "finger");
    std::vector<double> radius, angle;
    for (size_t i = 0; i < starts.count(); ++i) {
      const DataPtr data = starts.Data(i);
      const double x = starts.obs()[i][2] + data->geom_xpos[3 * finger];
      const double y = starts.obs()[i][3] + data->geom_xpos[3 * finger + 1];
      radius.push_back(std::hypot(x, y));
      angle.push_back(std::atan2(y, x));
    }
    for (double& r : radius) r = std::clamp(r, .05, .2);  // obs are floats
    ExpectUniform(radius, .05, .2);
    ExpectUniform(angle, -kPi, kPi);
  }
}

TEST(DmcReset, FingerTargetsLieOnACircleAboutTheHinge) {
  for (const auto& [id, size] :
       {std::pair{"dmc/finger_turn_easy", .07}, {"dmc/finger_turn_hard", .03}}) {
    const Starts starts(id);
    std::vector<double> angle;
    for (const auto& obs : starts.obs()) {
      EXPECT_NEAR(std::hypot(obs[9], obs[10]), .13, 1e-6);
      angle.push_back(std::atan2(obs[9], obs[10]));
      EXPECT_NEAR(obs[11], std::hypot(obs[9] - obs[2], obs[10] - obs[3]) - size, 1e-6);
    }
    ExpectUniform(angle, -kPi, kPi);
  }
}

}  // namespace
}  // namespace v2r
