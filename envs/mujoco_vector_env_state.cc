// Saving and restoring MujocoVectorEnv.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "envs/mujoco_vector_env.h"

namespace v2r {
namespace {

constexpr const char* kWhat = "environment state";

template <typename T>
std::span<const T> All(const std::vector<T>& values) {
  return values;
}

// Copies the entry into `values`, which has the right size already.
template <typename T>
void Read(const StateDict& state, const std::string& name, std::span<T> values) {
  const auto stored = Require(state, name, kWhat).as<T>();
  if (stored.size() != values.size()) {
    ThrowUser(
        "{}: {} has {} values, this environment keeps {}: env.num_envs, env.frame_size and "
        "env.distractors (with env.render_every > 1 env.cameras, env.views and env.modalities "
        "too) have to be those of the saved run",
        kWhat, name, stored.size(), values.size());
  }
  std::copy(stored.begin(), stored.end(), values.begin());
}
template <typename T>
void Read(const StateDict& state, const std::string& name, std::vector<T>& values) {
  Read(state, name, std::span<T>(values));
}

}  // namespace

void MujocoVectorEnv::SaveState(StateDict& state) const {
  V2R_CHECK(started_ && !waiting_, "SaveState needs a state at rest");
  state["name"] = TextBlob(spec_.name);
  state["seed"] = Blob::Scalar<int64_t>(static_cast<int64_t>(seed_));
  const int64_t width = mjb_nstate(batch_.get());
  const mjtNum* rows = mjb_state(batch_.get());
  state["sim"] = Blob::Of<double>({rows, static_cast<size_t>(n() * width)}, {n(), width});
  std::vector<double> memory;
  for (const auto& env : envs_) {
    const auto kept = env->Memory();
    memory.insert(memory.end(), kept.begin(), kept.end());
  }
  for (const Distractor& distractor : distractors_) {
    const auto* first = reinterpret_cast<const double*>(&distractor);
    memory.insert(memory.end(), first, first + SavedDoubles(distractor_options_));
  }
  state["memory"] = Blob::Of<double>(memory);
  state["episode"] = Blob::Of(All(episode_));
  state["steps"] = Blob::Of(All(steps_));
  state["ended"] = Blob::Of(All(ended_));
  state["obs"] = Blob::Of(All(next_obs_));
  state["terminated"] = Blob::Of(All(terminated_));
  state["truncated"] = Blob::Of(All(truncated_));
  state["success"] = Blob::Of(All(success_));
  // Of envs that rest until Reset. Not a key of tasks without info.
  if (spec_.info_dim > 0) state["info"] = Blob::Of(All(info_));
  state["goal_frame"] = Blob::Of(All(coming_goal_.rgb));
  state["goal_id"] = Blob::Of(All(coming_goal_id_));
  if (spec_.render_every == 1) return;
  // Pictures of earlier states, which nothing else tells.
  const PictureSet& set = frames_differ_ ? present_pictures_ : next_pictures_;
  const size_t row = set.RowBytes();
  std::vector<uint8_t> pictures(n() * row);
  for (int64_t i = 0; i < n(); ++i) set.SaveRow(i, pictures.data() + i * row);
  state["pictures"] = Blob::Of(All(pictures), {n(), static_cast<int64_t>(row)});
  state["fresh"] = Blob::Of(All(fresh_));
}

namespace {

void CheckSize(const char* what, size_t given, int64_t wanted) {
  if (given != 0 && given != static_cast<size_t>(wanted)) {
    ThrowUser("start state: {} has {} values, the model takes {}", what, given, wanted);
  }
}

}  // namespace

BatchView MujocoVectorEnv::SetState(int64_t i, const StartState& start) {
  V2R_CHECK(started_ && !waiting_, "SetState needs a state at rest: Reset comes first");
  if (i < 0 || i >= n()) ThrowUser("start state: env {} of {}", i, n());
  const mjModel* m = mjb_model(batch_.get());
  CheckSize("qpos", start.qpos.size(), m->nq);
  CheckSize("qvel", start.qvel.size(), m->nv);
  CheckSize("act", start.act.size(), m->na);
  CheckSize("ctrl", start.ctrl.size(), m->nu);
  CheckSize("qacc_warmstart", start.qacc_warmstart.size(), m->nv);
  for (const auto* values : {&start.qpos, &start.qvel, &start.act, &start.ctrl}) {
    for (const double value : *values) {
      if (!std::isfinite(value)) ThrowUser("start state: a value is {}", value);
    }
  }
  if (!start.model.empty() && models_.empty()) {
    ThrowUser("start state: {} changes no field of its model, so 'model' has to be empty",
              spec_.name);
  }
  for (const auto& [field, values] : start.model) {
    WriteModelField(*models_[static_cast<size_t>(i)]->get(), field, values);
  }
  start_ = &start;
  ids_.assign(1, static_cast<int>(i));
  Start(Task::kEnter);
  Finish();
  return View();
}

BatchView MujocoVectorEnv::Restart(std::span<const uint8_t> mask) {
  V2R_CHECK(started_ && !waiting_, "Restart needs a state at rest: Reset comes first");
  V2R_CHECK_EQ(static_cast<int64_t>(mask.size()), n());
  ids_.clear();
  for (int i = 0; i < n(); ++i) {
    if (mask[i]) ids_.push_back(i);
  }
  if (ids_.empty()) return View();
  Start(Task::kRestart);
  Finish();
  return View();
}

void MujocoVectorEnv::LoadState(const StateDict& state) {
  V2R_CHECK(!waiting_, "LoadState between StepAsync and StepWait");
  const std::string name = BlobText(Require(state, "name", kWhat));
  if (name != spec_.name) ThrowUser("{} is of {}, this environment is {}", kWhat, name, spec_.name);
  started_ = false;
  seed_ = static_cast<uint64_t>(RequireScalar<int64_t>(state, "seed", kWhat));
  Read(state, "sim", std::span<double>(mjb_state(batch_.get()), n() * mjb_nstate(batch_.get())));
  std::vector<double> memory(n() * envs_[0]->Memory().size() +
                             distractors_.size() * SavedDoubles(distractor_options_));
  Read(state, "memory", memory);
  auto from = memory.begin();
  for (auto& env : envs_) {
    const auto kept = env->Memory();
    std::copy_n(from, kept.size(), kept.begin());
    from += kept.size();
  }
  for (Distractor& distractor : distractors_) {
    std::copy_n(from, SavedDoubles(distractor_options_), reinterpret_cast<double*>(&distractor));
    from += SavedDoubles(distractor_options_);
  }
  Read(state, "episode", episode_);
  Read(state, "steps", steps_);
  Read(state, "ended", ended_);
  Read(state, "obs", next_obs_);
  Read(state, "terminated", terminated_);
  Read(state, "truncated", truncated_);
  Read(state, "success", success_);
  if (spec_.info_dim > 0) Read(state, "info", info_);
  Read(state, "goal_frame", coming_goal_.rgb);
  Read(state, "goal_id", coming_goal_id_);
  // The pictures of the states at rest follow from them; the goals are those of the episodes that
  // go on.
  ids_.resize(n());
  std::iota(ids_.begin(), ids_.end(), 0);
  Apply(RefreshSim, /*save=*/false);
  frames_differ_ = false;
  if (spec_.render_every == 1) {
    DrawPictures(next_pictures_);
  } else {
    if (!state.contains("pictures")) {
      ThrowUser("{}: it was saved with env.render_every=1 and has no pictures of earlier states",
                kWhat);
    }
    std::vector<uint8_t> rows(n() * next_pictures_.RowBytes());
    Read(state, "pictures", rows);
    for (int64_t i = 0; i < n(); ++i) {
      next_pictures_.LoadRow(i, rows.data() + i * next_pictures_.RowBytes());
    }
    Read(state, "fresh", fresh_);
  }
  std::fill(goal_turns_.begin(), goal_turns_.end(), 1);
  started_ = true;
}

}  // namespace v2r
