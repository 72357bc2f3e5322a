#include "envs/mjcf_task.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "core/text.h"
#include "envs/tasks.h"

namespace v2r {
namespace {

struct SuccessOptions {
  std::vector<std::string> sites;
  double distance = 0.02;

  template <typename V>
  void Fields(V& v) {
    v("sites", sites, "two sites whose distance is to vanish: it gives the reward (-distance)");
    v("distance", distance, "metres below which the state is a success", AtLeast(0));
  }
};

struct MjcfOptions {
  std::string model;
  int64_t frame_skip = 0;
  double control_dt = 0;
  std::string keyframe;
  double qpos_noise = 0.01, qvel_noise = 0.01;
  std::vector<std::string> qpos = {"all"}, qvel = {"all"}, sensors = {"all"};
  std::string actions = "scaled";
  SuccessOptions success;

  template <typename V>
  void Fields(V& v) {
    v("model", model, "MJCF file; a relative path starts at the working directory");
    v("frame_skip", frame_skip, "timesteps of the model a step (this or control_dt)", AtLeast(0));
    v("control_dt", control_dt, "seconds a step, a multiple of the model's timestep", AtLeast(0));
    v("keyframe", keyframe,
      "name or index of the keyframe that episodes start from, empty = qpos0");
    v("qpos_noise", qpos_noise,
      "a start's positions move by uniform(-x, x) a degree of freedom, rad or m", AtLeast(0));
    v("qvel_noise", qvel_noise, "standard deviation of the normal noise on a start's velocities",
      AtLeast(0));
    v("qpos", qpos, "joints whose positions are observed, [all] = every one");
    v("qvel", qvel, "joints whose velocities are observed, [all] = every one");
    v("sensors", sensors, "sensors that are observed, [all] = every one");
    v("actions", actions,
      "scaled: [-1, 1] covers the actuator's ctrlrange; raw: controls. Without a "
      "ctrlrange both are controls in [-1, 1]",
      OneOf({"scaled", "raw"}));
    v("success", success, "when a state is a success");
  }
};

std::vector<std::string> NamesOf(const mjModel* m, mjtObj type, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    const char* name = mj_id2name(m, type, i);
    if (name != nullptr && *name != '\0') names.emplace_back(name);
  }
  return names;
}

// Id of the object that `key` names; UserError with the nearest name and all there are.
int Find(const mjModel* m, mjtObj type, int count, const std::string& name, const char* key) {
  const int id = mj_name2id(m, type, name.c_str());
  if (id >= 0) return id;
  const auto names = NamesOf(m, type, count);
  ThrowUser("env.task.{}: the model has no {} '{}'{} (it has: {})", key, mju_type2Str(type), name,
            DidYouMean(name, names), names.empty() ? "none with a name" : Join(names, ", "));
}

// Ids in the model's order.
std::vector<int> Chosen(const mjModel* m, mjtObj type, int count,
                        const std::vector<std::string>& wanted, const char* key) {
  std::vector<int> ids;
  if (wanted == std::vector<std::string>{"all"}) {
    for (int i = 0; i < count; ++i) ids.push_back(i);
    return ids;
  }
  for (const std::string& name : wanted) ids.push_back(Find(m, type, count, name, key));
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
    ThrowUser("env.task.{}: a name stands there twice", key);
  }
  return ids;
}

int FindKeyframe(const mjModel* m, const std::string& key) {
  if (key.empty()) return -1;
  if (mj_name2id(m, mjOBJ_KEY, key.c_str()) >= 0) return mj_name2id(m, mjOBJ_KEY, key.c_str());
  const bool number = key.size() < 9 && std::all_of(key.begin(), key.end(), [](unsigned char c) {
                        return std::isdigit(c);
                      });
  if (!number) return Find(m, mjOBJ_KEY, m->nkey, key, "keyframe");
  if (std::stoi(key) >= m->nkey) {
    ThrowUser("env.task.keyframe: {}, the model has {} (the first is 0)", key, m->nkey);
  }
  return std::stoi(key);
}

void Append(std::vector<int>& to, int first, int count) {
  for (int k = 0; k < count; ++k) to.push_back(first + k);
}

class MjcfTask : public Env {
 public:
  explicit MjcfTask(const MjcfOptions& options) : options_(options) {
    if (options.model.empty()) ThrowUser("env.task.model: name an MJCF file");
    spec_.model = options.model;
    if (!std::filesystem::is_regular_file(spec_.model)) {
      ThrowUser("env.task.model: there is no file '{}' (seen from {})", options.model,
                std::filesystem::current_path().string());
    }
    if ((options.frame_skip > 0) == (options.control_dt > 0)) {
      ThrowUser("env.task: give one of frame_skip (now {}) and control_dt (now {})",
                options.frame_skip, options.control_dt);
    }
    if (!options.success.sites.empty() && options.success.sites.size() != 2) {
      ThrowUser("env.task.success.sites: {} names, a distance is between two",
                options.success.sites.size());
    }
    spec_.max_episode_steps = 1000;
    spec_.divergence_is_error = true;
  }
  const EnvSpec& Spec() const override { return spec_; }

  void Bind(mjModel* m) override {
    if (m->nu == 0) ThrowUser("{}: the model has no actuator, so no action", options_.model);
    BindTime(m);
    BindActions(m);
    BindObservation(m);
    key_ = FindKeyframe(m, options_.keyframe);
    for (const std::string& name : options_.success.sites) {
      sites_.push_back(Find(m, mjOBJ_SITE, m->nsite, name, "success.sites"));
    }
    const int distractor = mj_name2id(m, mjOBJ_BODY, "distractor");
    distractor_mocap_ = distractor < 0 ? -1 : m->body_mocapid[distractor];
    const char* camera = m->ncam > 0 ? mj_id2name(m, mjOBJ_CAMERA, 0) : nullptr;
    spec_.camera = camera != nullptr ? camera : "";
    noise_.resize(static_cast<size_t>(m->nv));
  }

  void Reset(Sim sim, Rng& rng, EnvRow row) override {
    if (key_ >= 0) PutKeyframe(sim);
    // In the tangent space, so that quaternions stay unit; for hinges and slides a plain sum.
    for (double& x : noise_) x = rng.Uniform(-options_.qpos_noise, options_.qpos_noise);
    mj_integratePos(sim.model, sim.data->qpos, noise_.data(), 1);
    for (int k = 0; k < sim.model->nv; ++k) sim.data->qvel[k] += options_.qvel_noise * rng.Normal();
    Enter(sim, row);
  }

  void Enter(Sim sim, EnvRow row) override {
    mj_forward(sim.model, sim.data);
    Write(sim, row);
  }

  void Step(Sim sim, std::span<const float> action, EnvRow row) override {
    for (size_t j = 0; j < action.size(); ++j) {
      sim.data->ctrl[j] = ctrl_middle_[j] + ctrl_half_[j] * action[j];
    }
    for (int k = 0; k < substeps_; ++k) mj_step(sim.model, sim.data);
    mj_forward(sim.model, sim.data);
    Write(sim, row);
    if (!sites_.empty()) row.reward = -Distance(sim);
  }

  double TrueDistance(Sim sim) const override {
    return sites_.empty() ? std::numeric_limits<double>::quiet_NaN() : Distance(sim);
  }

 private:
  void BindTime(const mjModel* m) {
    const double timestep = m->opt.timestep, dt = options_.control_dt;
    substeps_ = static_cast<int>(options_.frame_skip > 0 ? options_.frame_skip
                                                         : std::lround(dt / timestep));
    spec_.control_dt = substeps_ * timestep;
    if (dt > 0 && (substeps_ < 1 || std::abs(spec_.control_dt - dt) > 1e-6 * dt)) {
      ThrowUser("env.task.control_dt: {} s is no multiple of the model's timestep {} s (near: {})",
                dt, timestep, std::max(1, substeps_) * timestep);
    }
  }

  void BindActions(const mjModel* m) {
    const bool raw = options_.actions == "raw";
    for (int j = 0; j < m->nu; ++j) {
      const mjtNum* range = m->actuator_ctrlrange + 2 * j;
      const double low = m->actuator_ctrllimited[j] ? range[0] : -1;
      const double high = m->actuator_ctrllimited[j] ? range[1] : 1;
      spec_.act_low.push_back(raw ? static_cast<float>(low) : -1.f);
      spec_.act_high.push_back(raw ? static_cast<float>(high) : 1.f);
      ctrl_middle_.push_back(raw ? 0 : (low + high) / 2);
      ctrl_half_.push_back(raw ? 1 : (high - low) / 2);
    }
  }

  void BindObservation(const mjModel* m) {
    constexpr int kPositions[] = {7, 4, 1, 1}, kVelocities[] = {6, 3, 1, 1};  // by mjtJoint
    for (int j : Chosen(m, mjOBJ_JOINT, m->njnt, options_.qpos, "qpos")) {
      Append(qpos_, m->jnt_qposadr[j], kPositions[m->jnt_type[j]]);
    }
    for (int j : Chosen(m, mjOBJ_JOINT, m->njnt, options_.qvel, "qvel")) {
      Append(qvel_, m->jnt_dofadr[j], kVelocities[m->jnt_type[j]]);
    }
    for (int s : Chosen(m, mjOBJ_SENSOR, m->nsensor, options_.sensors, "sensors")) {
      Append(sensors_, m->sensor_adr[s], m->sensor_dim[s]);
    }
    spec_.obs_dim = static_cast<int64_t>(qpos_.size() + qvel_.size() + sensors_.size());
    if (spec_.obs_dim == 0) {
      ThrowUser("env.task: nothing is observed: name joints or sensors in qpos, qvel, sensors");
    }
  }

  void PutKeyframe(Sim sim) const {
    const mjModel* m = sim.model;
    mjData* d = sim.data;
    d->time = m->key_time[key_];
    std::copy_n(m->key_qpos + key_ * m->nq, m->nq, d->qpos);
    std::copy_n(m->key_qvel + key_ * m->nv, m->nv, d->qvel);
    std::copy_n(m->key_act + key_ * m->na, m->na, d->act);
    std::copy_n(m->key_ctrl + key_ * m->nu, m->nu, d->ctrl);
    for (int i = 0; i < m->nmocap; ++i) {
      if (i == distractor_mocap_) continue;  // the vector env places it
      std::copy_n(m->key_mpos + 3 * (key_ * m->nmocap + i), 3, d->mocap_pos + 3 * i);
      std::copy_n(m->key_mquat + 4 * (key_ * m->nmocap + i), 4, d->mocap_quat + 4 * i);
    }
  }

  double Distance(Sim sim) const {
    return mju_dist3(sim.data->site_xpos + 3 * sites_[0], sim.data->site_xpos + 3 * sites_[1]);
  }

  void Write(Sim sim, EnvRow row) const {
    auto out = row.obs.begin();
    for (int k : qpos_) *out++ = static_cast<float>(sim.data->qpos[k]);
    for (int k : qvel_) *out++ = static_cast<float>(sim.data->qvel[k]);
    for (int k : sensors_) *out++ = static_cast<float>(sim.data->sensordata[k]);
    row.success = !sites_.empty() && Distance(sim) < options_.success.distance;
  }

  MjcfOptions options_;
  EnvSpec spec_;
  int substeps_ = 0, key_ = -1, distractor_mocap_ = -1;
  std::vector<double> ctrl_middle_, ctrl_half_;  // [nu] control = middle + half * action
  std::vector<int> qpos_, qvel_, sensors_;       // indices into MuJoCo's arrays
  std::vector<int> sites_;                       // two or none
  std::vector<double> noise_;                    // [nv] scratch of Reset
};

}  // namespace

void AddMjcfTask(TaskList& tasks) {
  tasks.Add<MjcfOptions>("mjcf", "your own model: an MJCF file (env.task.model) and a few keys",
                         [](const MjcfOptions& o) { return std::make_unique<MjcfTask>(o); });
}

}  // namespace v2r
