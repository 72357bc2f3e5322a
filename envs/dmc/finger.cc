#include <cmath>

#include "envs/dmc/domains.h"
#include "envs/dmc/suite_env.h"
#include "envs/expert.h"

namespace v2r::dmc {
namespace {

constexpr double kSpin = -15;          // rad/s
constexpr double kSpinDamping = 0.03;  // of the hinge, N m s/rad

class Finger : public SuiteEnv {
 protected:
  explicit Finger(int obs_dim) : SuiteEnv("finger", obs_dim, 2, 0.02, "cam0") {
    spec_.own_model = true;
  }

  void LookUp(mjModel* model) override {
    model_ = model;
    target_site_ = RequireId(model, mjOBJ_SITE, "target");
    const char* const positions[] = {"proximal", "distal"};
    const char* const velocities[] = {"proximal_velocity", "distal_velocity", "hinge_velocity"};
    const char* const touch[] = {"touchtop", "touchbottom"};
    for (int k = 0; k < 2; ++k) angle_[k] = SensorAddress(model, positions[k]);
    for (int k = 0; k < 3; ++k) velocity_[k] = SensorAddress(model, velocities[k]);
    for (int k = 0; k < 2; ++k) touch_[k] = SensorAddress(model, touch[k]);
    tip_ = SensorAddress(model, "tip");
    target_ = SensorAddress(model, "target");
    hinge_ = SensorAddress(model, "spinner");
  }
  void Draw(Sim sim, Rng& rng) override {
    DrawUntilFree(sim, [&] { RandomizeJoints(sim, rng); });
  }
  void Observe(Sim sim, ObsRow& row) const override {
    const mjtNum* sensors = sim.data->sensordata;
    for (const int at : angle_) row.Put(sensors[at]);
    Put(FromHinge(sim, tip_), row);
    for (const int at : velocity_) row.Put(sensors[at]);
    for (const int at : touch_) row.Put(std::log1p(sensors[at]));
  }
  double Reward(Sim sim) const override { return Success(sim) ? 1 : 0; }

  static void Put(Vec2 v, ObsRow& row) {
    row.Put(v.x);
    row.Put(v.y);
  }
  // Place (x, z) that the position sensor at `address` gives, from the hinge.
  Vec2 FromHinge(Sim sim, int address) const {
    const mjtNum* at = sim.data->sensordata + address;
    const mjtNum* hinge = sim.data->sensordata + hinge_;
    return {at[0] - hinge[0], at[2] - hinge[2]};
  }

  mjModel* model_ = nullptr;
  int target_site_ = -1;
  int angle_[2] = {}, velocity_[3] = {}, touch_[2] = {};  // addresses in sensordata
  int tip_ = -1, target_ = -1, hinge_ = -1;
};

class Spin : public Finger {
 public:
  Spin() : Finger(9) {}

 private:
  void LookUp(mjModel* model) override {
    Finger::LookUp(model);
    hinge_dof_ = model->jnt_dofadr[RequireId(model, mjOBJ_JOINT, "hinge")];
    tip_site_ = RequireId(model, mjOBJ_SITE, "tip");
    arrays_.Add(model->dof_damping, static_cast<int>(model->nv));
    arrays_.Add(model->site_rgba, 4 * static_cast<int>(model->nsite));
  }
  void Draw(Sim sim, Rng& rng) override {
    model_->site_rgba[4 * target_site_ + 3] = 0;  // invisible
    model_->site_rgba[4 * tip_site_ + 3] = 0;
    model_->dof_damping[hinge_dof_] = kSpinDamping;
    Finger::Draw(sim, rng);
  }
  bool Success(Sim sim) const override { return sim.data->sensordata[velocity_[2]] <= kSpin; }

  int hinge_dof_ = -1, tip_site_ = -1;
};

class Turn : public Finger {
 public:
  explicit Turn(double target_radius) : Finger(12), target_radius_(target_radius) {}
  double TrueDistance(Sim sim) const override {
    return Norm(FromHinge(sim, target_) - FromHinge(sim, tip_));
  }

 private:
  void LookUp(mjModel* model) override {
    Finger::LookUp(model);
    spinner_ = RequireId(model, mjOBJ_BODY, "spinner");
    const mjtNum* cap = model->geom_size + 3 * RequireId(model, mjOBJ_GEOM, "cap1");
    tip_radius_ = cap[0] + cap[1] + cap[2];
    arrays_.Add(model->site_pos, 3 * static_cast<int>(model->nsite));
    arrays_.Add(model->site_size, 3 * static_cast<int>(model->nsite));
  }
  void Draw(Sim sim, Rng& rng) override {
    const Vec2 offset = Polar(tip_radius_, rng.Uniform(-kPi, kPi));
    const mjtNum* hinge = model_->body_pos + 3 * spinner_;
    mjtNum* pos = model_->site_pos + 3 * target_site_;
    pos[0] = hinge[0] + offset.x;
    pos[2] = hinge[2] + offset.y;
    model_->site_size[3 * target_site_] = target_radius_;
    Finger::Draw(sim, rng);
  }
  void Observe(Sim sim, ObsRow& row) const override {
    Finger::Observe(sim, row);
    Put(FromHinge(sim, target_), row);
    row.Put(ToSurface(sim));
  }
  bool Success(Sim sim) const override { return ToSurface(sim) <= 0; }
  // Negative inside the target.
  double ToSurface(Sim sim) const {
    return TrueDistance(sim) - sim.model->site_size[3 * target_site_];
  }

  double target_radius_;
  double tip_radius_ = 0;  // distance of the target from the hinge
  int spinner_ = -1;
};

}  // namespace

std::unique_ptr<Env> MakeFingerSpin() { return std::make_unique<Spin>(); }

std::unique_ptr<Env> MakeFingerTurn(bool hard) {
  return std::make_unique<Turn>(hard ? 0.03 : 0.07);
}

}  // namespace v2r::dmc
