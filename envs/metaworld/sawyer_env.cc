#include "envs/metaworld/sawyer_env.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "envs/row_writer.h"

namespace v2r::metaworld {
namespace {

constexpr int kFrameSkip = 5;
constexpr int kStartSteps = 50;        // that lead the hand to its start
constexpr float kActionScale = 0.01f;  // m
constexpr Vec3 kMocapLow = {-0.5, 0.40, 0.05}, kMocapHigh = {0.5, 1, 0.5};
constexpr Vec3 kHandLow = {-0.525, 0.348, -0.0525}, kHandHigh = {0.525, 1.025, 0.7};
constexpr double kMocapQuat[4] = {1, 0, 1, 0};
// Anchor, pose of the hand in the mocap body, torquescale.
constexpr double kWeld[11] = {0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5};

Vec3 Clamp(Vec3 a, Vec3 low, Vec3 high) {
  return {std::clamp(a.x, low.x, high.x), std::clamp(a.y, low.y, high.y),
          std::clamp(a.z, low.z, high.z)};
}

}  // namespace

SawyerEnv::SawyerEnv(Scene scene, const SawyerOptions& options)
    : scene_(std::move(scene)),
      goal_hidden_(options.partially_observable),
      v2_(options.reward_function_version == "v2"),
      drawn_(options.rand_vec.empty()),
      rand_vec_(options.rand_vec) {
  spec_.model = WheelModel(std::string("metaworld/assets/sawyer_xyz/") + scene_.xml + ".xml");
  spec_.obs_dim = static_cast<int64_t>(obs_.size());
  spec_.act_low.assign(4, -1);
  spec_.act_high.assign(4, 1);
  spec_.max_episode_steps = 500;
  spec_.control_dt = 0.0125;
  spec_.info = {{"success"},         {"near_object"},   {"grasp_success"},  {"grasp_reward"},
                {"in_place_reward"}, {"obj_to_target"}, {"unscaled_reward"}};
  spec_.camera = "";  // those of the model hang upside down
  spec_.view = scene_.view;
  spec_.own_model = true;
  const size_t wanted = scene_.random_low.size();
  if (drawn_) {
    rand_vec_.resize(wanted);
  } else if (rand_vec_.size() != wanted) {
    ThrowUser("env.task.rand_vec: has {} numbers, this task draws {}", rand_vec_.size(), wanted);
  }
  for (const double value : rand_vec_) {
    if (!std::isfinite(value)) ThrowUser("env.task.rand_vec: a value is {}", value);
  }
}

void SawyerEnv::Bind(mjModel* model) {
  const auto body = [&](const char* name) { return RequireId(model, mjOBJ_BODY, name); };
  const int mocap = body("mocap");
  mocap_ = model->body_mocapid[mocap];
  V2R_CHECK_EQ(mocap_, 0);  // there is one
  mocap_home_ = model->body_pos + 3 * mocap;
  hand_ = body("hand");
  right_claw_ = body("rightclaw");
  left_claw_ = body("leftclaw");
  right_tip_ = RequireId(model, mjOBJ_SITE, "rightEndEffector");
  left_tip_ = RequireId(model, mjOBJ_SITE, "leftEndEffector");
  const int thing = RequireId(model, scene_.kind, scene_.thing);
  thing_pos_ = (scene_.kind == mjOBJ_SITE ? model->site_pos : model->body_pos) + 3 * thing;
  const int goal = mj_name2id(model, mjOBJ_SITE, "goal");
  goal_pos_ = goal < 0 ? nullptr : model->site_pos + 3 * goal;
  for (int k = 0; k < model->neq; ++k) {
    if (model->eq_type[k] == mjEQ_WELD) {
      std::copy_n(kWeld, 11, model->eq_data + static_cast<ptrdiff_t>(mjNEQDATA) * k);
    }
  }
  LookUp(model);
  if (!drawn_ && Refused(rand_vec_)) {
    ThrowUser(
        "env.task.rand_vec: this task draws no such start (puck and goal less than 15 cm "
        "apart, seen from above)");
  }
}

// Meta-World runs reset_model twice, on the state that it finds and on cleared data. Only the
// second counts: after set_task the things already stand where it will put them.
void SawyerEnv::Reset(Sim sim, Rng& rng, EnvRow row) {
  if (drawn_) {
    do {
      for (size_t k = 0; k < rand_vec_.size(); ++k) {
        rand_vec_[k] = rng.Uniform(scene_.random_low[k], scene_.random_high[k]);
      }
    } while (Refused(rand_vec_));
  }
  memory_.thing = At(rand_vec_.data() + rand_vec_.size() - 3);
  Furnish();
  for (int k = 0; k < kStartSteps; ++k) Advance(sim, scene_.hand, -1);
  memory_.first_tip = Tip(sim);
  Settle(sim, rand_vec_);
  Observe(sim, /*first=*/true);
  mj_forward(sim.model, sim.data);
  memory_.habit.Draw(rng, 0.6, 1.0);
  memory_.miss = DrawMiss(rng);
  const double up = rng.Uniform();
  const Vec2 across = Polar(std::sqrt(1 - up * up), rng.Uniform(-kPi, 0));
  memory_.aside = {across.x, across.y, up};
  Begin(sim, row);
}

void SawyerEnv::Enter(Sim sim, EnvRow row) {
  memory_.thing = At(thing_pos_);
  Furnish();
  const bool given = Norm(At(mocap_home_)) > 0;
  mj_kinematics(sim.model, sim.data);
  Put(given ? At(mocap_home_) : Hand(sim), sim.data->mocap_pos);
  std::copy_n(kMocapQuat, 4, sim.data->mocap_quat);
  Put({}, mocap_home_);
  mj_forward(sim.model, sim.data);
  Observe(sim, /*first=*/true);
  Begin(sim, row);
}

void SawyerEnv::Begin(Sim sim, EnvRow row) const {
  std::copy(obs_.begin(), obs_.end(), row.obs.begin());
  row.success = Judge(sim).success;
}

void SawyerEnv::Step(Sim sim, std::span<const float> action, EnvRow row) {
  double way[3];  // float32, as Meta-World rounds it
  for (int k = 0; k < 3; ++k) way[k] = kActionScale * std::clamp(action[k], -1.f, 1.f);
  Advance(sim, Clamp(Mocap(sim) + At(way), kMocapLow, kMocapHigh), action[3]);
  mj_forward(sim.model, sim.data);
  Observe(sim, /*first=*/false);
  Clip();
  std::copy(obs_.begin(), obs_.end(), row.obs.begin());
  const Outcome outcome = Judge(sim);
  row.reward = outcome.reward;
  row.success = outcome.success;
  InfoRow info(row.info);
  info.Put(outcome.success ? 1 : 0);
  info.Put(outcome.near_object);
  info.Put(outcome.grasp_success);
  info.Put(outcome.grasp_reward);
  info.Put(outcome.in_place_reward);
  info.Put(outcome.obj_to_target);
  info.Put(outcome.reward);
}

void SawyerEnv::Restored(Sim sim) {
  Furnish();
  mj_forward(sim.model, sim.data);
}

void SawyerEnv::Furnish() {
  Put(memory_.thing, thing_pos_);
  if (goal_pos_ != nullptr) Put(memory_.thing + scene_.goal, goal_pos_);
}

// grip: -1 open to 1 closed.
void SawyerEnv::Advance(Sim sim, Vec3 mocap, double grip) const {
  mjData* d = sim.data;
  Put(mocap, d->mocap_pos);
  std::copy_n(kMocapQuat, 4, d->mocap_quat);
  d->ctrl[0] = grip;
  d->ctrl[1] = -grip;
  for (int k = 0; k < kFrameSkip; ++k) mj_step(sim.model, d);
}

void SawyerEnv::Observe(Sim sim, bool first) {
  double* frame = memory_.frame;
  std::copy_n(frame, 18, obs_.begin() + 18);
  const mjtNum* x = sim.data->xpos;
  const Vec3 between = At(x + 3 * right_claw_) - At(x + 3 * left_claw_);
  const Quat quat = Orientation(sim);
  Put(Hand(sim), frame);
  frame[3] = std::clamp(Norm(between) / 0.1, 0.0, 1.0);
  Put(Object(sim), frame + 4);
  std::copy(quat.begin(), quat.end(), frame + 7);
  std::copy_n(frame, 18, obs_.begin());
  if (first) std::copy_n(frame, 18, obs_.begin() + 18);
  Put(goal_hidden_ ? Vec3{} : Goal(sim), obs_.data() + 36);
}

// To the observation space, as step() does and reset() does not.
void SawyerEnv::Clip() {
  for (double* hand : {obs_.data(), obs_.data() + 18})
    Put(Clamp(At(hand), kHandLow, kHandHigh), hand);
  double* goal = obs_.data() + 36;
  if (!goal_hidden_) Put(Clamp(At(goal), scene_.goal_low, scene_.goal_high), goal);
}

double SawyerEnv::Progress(double way, double left) {
  const double square = left * left;
  return 1000 * (way - left) + 1000 * (std::exp(-square / 0.01) + std::exp(-square / 0.001));
}

void SawyerEnv::Expert(Sim sim, ExpertSkill skill, Rng& rng, std::span<float> action) {
  if (skill == ExpertSkill::kRandom) return memory_.habit.Wander(rng, action);
  const Move move = Lead(sim, skill == ExpertSkill::kNearMiss);
  Vec3 wish = (1 / static_cast<double>(kActionScale)) * (move.to - Mocap(sim));
  const double size = Norm(wish), longest = memory_.habit.speed;
  if (size > longest) wish = (longest / size) * wish;
  const double values[3] = {wish.x, wish.y, wish.z};
  for (int k = 0; k < 3; ++k) action[k] = static_cast<float>(values[k] + 0.04 * rng.Normal());
  action[3] = static_cast<float>(move.grip);
}

Quat QuatOfMatrix(const mjtNum* m) {
  const double trace = m[0] + m[4] + m[8];
  const double choices[4] = {m[0], m[4], m[8], trace};
  const auto most = std::max_element(choices, choices + 4) - choices;
  Quat q;
  if (most == 3) {
    q = {m[7] - m[5], m[2] - m[6], m[3] - m[1], 1 + trace};
  } else {
    const auto i = most, j = (i + 1) % 3, k = (j + 1) % 3;
    q[i] = 1 - trace + 2 * m[4 * i];
    q[j] = m[3 * j + i] + m[3 * i + j];
    q[k] = m[3 * k + i] + m[3 * i + k];
    q[3] = m[3 * k + j] - m[3 * j + k];
  }
  const double norm = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (double& value : q) value /= norm;
  return q;
}

}  // namespace v2r::metaworld
