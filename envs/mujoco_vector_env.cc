#include "envs/mujoco_vector_env.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/clock.h"
#include "core/error.h"

namespace v2r {
namespace {

int ThreadsOr(int64_t asked, int64_t at_most) {
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  return static_cast<int>(std::min(asked > 0 ? asked : cores, at_most));
}

constexpr int kDistractorGroup = 4;

}  // namespace

MujocoVectorEnv::MujocoVectorEnv(const EnvOptions& options, const EnvFactory& make, EnvSlice slice)
    : slice_(slice) {
  const int n = static_cast<int>(options.num_envs);
  if (slice_.total == 0) slice_.total = n;
  V2R_CHECK(slice_.first >= 0 && slice_.first + n <= slice_.total, "envs {} to {} of {}",
            slice_.first, slice_.first + n, slice_.total);
  for (int i = 0; i < n; ++i) envs_.push_back(make());
  const EnvSpec& task = envs_[0]->Spec();
  ModelPtr model = LoadModel(task.model);
  stale_kinematics_ = task.stale_kinematics;
  divergence_is_error_ = task.divergence_is_error;
  for (auto& env : envs_) {
    if (task.own_model) models_.push_back(std::make_unique<PrivateModel>(*model));
    env->Bind(task.own_model ? models_.back()->get() : model.get());
  }

  spec_.name = options.id;
  spec_.num_envs = n;
  spec_.obs_dim = task.obs_dim;
  spec_.act_dim = static_cast<int64_t>(task.act_low.size());
  spec_.act_low = task.act_low;
  spec_.act_high = task.act_high;
  spec_.max_episode_steps =
      options.max_episode_steps > 0 ? options.max_episode_steps : task.max_episode_steps;
  spec_.control_dt = task.control_dt;
  DescribePictures(options, task.has_goal_frame, spec_);
  spec_.info = task.info;
  for (const InfoField& field : task.info) spec_.info_dim += field.size;
  autoreset_ = options.autoreset == "same_step"   ? Autoreset::kSameStep
               : options.autoreset == "next_step" ? Autoreset::kNextStep
                                                  : Autoreset::kDisabled;
  clip_action_ = options.clip_action;
  distractor_options_ = options.distractors;
  distractor_mocap_ = RequireDistractors(model.get(), options.distractors, options.id);
  if (options.distractors.Any()) {
    distractors_.resize(n);
    looks_.resize(n);
  }

  mjBatchConfig config;
  mjb_defaultConfig(&config);
  config.nthread = ThreadsOr(options.env_threads, n);
  config.persistent = 1;
  char error[1024] = "";
  batch_.reset(mjb_makeBatch(model.get(), n, &config, error, sizeof(error)));
  V2R_CHECK(batch_ != nullptr, "mjb_makeBatch: {}", error);
  if (!models_.empty()) {
    std::vector<const mjModel*> own;
    for (const auto& m : models_) own.push_back(m->get());
    mjb_setModels(batch_.get(), own.data());
  }
  if (options.render) {
    RendererOptions r;
    r.threads = ThreadsOr(options.render_threads, n);
    r.height = r.width = static_cast<int>(options.frame_size);
    r.samples = static_cast<int>(options.samples);
    r.supersample = static_cast<int>(options.supersample);
    r.detail_size = static_cast<int>(options.detail_size);
    r.camera = options.camera.empty() ? task.camera : options.camera;
    r.view = options.view;
    if (options.view.type != "fixed" && !options.camera.empty()) {
      ThrowUser("env.camera={} and env.view.type={} are two cameras: give one", options.camera,
                options.view.type);
    }
    if (options.view.type == "fixed" && r.camera.empty() && task.view) {
      const FreeView& free = *task.view;
      r.view = {"free", free.distance, free.azimuth, free.elevation, {free.lookat, free.lookat + 3},
                ""};
    }
    r.extra_cameras = ExtraCameras(options);
    r.modalities = spec_.has_depth || spec_.has_segmentation;
    r.shadow = options.shadow;
    r.reflection = options.reflection;
    r.extra_group = options.distractors.moving > 0 ? kDistractorGroup : -1;
    renderer_ = std::make_unique<Renderer>(model.get(), r);
  }

  actions_.resize(n * spec_.act_dim);
  obs_.resize(n * spec_.obs_dim);
  next_obs_.resize(n * spec_.obs_dim);
  reward_.resize(n);
  env_reward_.resize(n);
  info_.resize(n * spec_.info_dim);
  present_pictures_ = next_pictures_ = PictureSet(spec_);
  if (spec_.has_goal_frame) coming_goal_ = PictureSet(spec_, /*main_alone=*/true);
  goal_frame_.resize(coming_goal_.rgb.size());
  fresh_.resize(options.render ? n : 0, 1);
  for (auto* v : {&goal_id_, &coming_goal_id_, &episode_id_, &episode_step_, &episode_, &steps_})
    v->resize(n);
  for (auto* v : {&terminated_, &truncated_, &success_, &ended_, &goal_turns_}) v->resize(n);
  seen_warnings_.resize(n);
  ids_.resize(n);
  pictures_.resize(n);
  data_.resize(n);
  errors_.resize(n);
  std::iota(ids_.begin(), ids_.end(), 0);
  Apply(CaptureSim, /*save=*/false);
  if (!models_.empty()) base_ = std::move(model);
  driver_ = std::thread([this] { Loop(); });
}

MujocoVectorEnv::~MujocoVectorEnv() {
  if (!driver_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    to_caller_.wait(lock, [&] { return task_ == Task::kNone; });
    task_ = Task::kStop;
  }
  to_driver_.notify_one();
  driver_.join();
}

BatchView MujocoVectorEnv::Reset(uint64_t seed) {
  V2R_CHECK(!waiting_, "Reset between StepAsync and StepWait");
  seed_ = seed;
  Start(Task::kReset);
  Finish();
  started_ = true;
  return View();
}

void MujocoVectorEnv::TakeActions(std::span<const float> actions) {
  V2R_CHECK(started_, "Reset or LoadState comes before the first step");
  V2R_CHECK(!waiting_, "StepAsync twice without StepWait");
  V2R_CHECK_EQ(static_cast<int64_t>(actions.size()), n() * spec_.act_dim);
  for (size_t k = 0; k < actions.size(); ++k) {
    const size_t j = k % spec_.act_dim;
    if (!std::isfinite(actions[k])) {
      ThrowUser(
          "{}: action {} of env {} is {}: the policy has diverged (lower the learning rate or clip "
          "gradients)",
          spec_.name, j, slice_.first + k / spec_.act_dim, actions[k]);
    }
    actions_[k] =
        clip_action_ ? std::clamp(actions[k], spec_.act_low[j], spec_.act_high[j]) : actions[k];
  }
}

void MujocoVectorEnv::StepAsync(std::span<const float> actions) {
  TakeActions(actions);
  waiting_ = true;
  Start(Task::kStep);
}

BatchView MujocoVectorEnv::Step(std::span<const float> actions) {
  TakeActions(actions);
  started_ = false;  // what the rows hold after an exception is half a step
  StepAll();
  started_ = true;
  std::copy(env_reward_.begin(), env_reward_.end(), reward_.begin());
  return View();
}

BatchView MujocoVectorEnv::StepWait() {
  V2R_CHECK(waiting_, "StepWait without StepAsync");
  waiting_ = false;
  Finish();
  std::copy(env_reward_.begin(), env_reward_.end(), reward_.begin());
  return View();
}

void MujocoVectorEnv::FinishRollout(std::span<float>, Metrics&) {}

void MujocoVectorEnv::ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) {
  V2R_CHECK(started_ && !waiting_, "ExpertActions needs a state at rest");
  V2R_CHECK_EQ(static_cast<int64_t>(actions.size()), n() * spec_.act_dim);
  for (int i = 0; i < n(); ++i) {
    auto action = actions.subspan(i * spec_.act_dim, spec_.act_dim);
    envs_[i]->Expert(SimOf(i), skill, rng, action);
    for (int64_t j = 0; j < spec_.act_dim; ++j) {
      action[j] = std::clamp(action[j], spec_.act_low[j], spec_.act_high[j]);
    }
  }
}

void MujocoVectorEnv::TrueDistance(std::span<float> distance) const {
  V2R_CHECK(started_ && !waiting_, "TrueDistance needs a state at rest");
  V2R_CHECK_EQ(static_cast<int64_t>(distance.size()), n());
  for (int i = 0; i < n(); ++i) distance[i] = static_cast<float>(envs_[i]->TrueDistance(SimOf(i)));
}

Metrics MujocoVectorEnv::Timings() const {
  return {{"time/env", env_seconds_},
          {"time/render", render_seconds_},
          {"env/warnings", static_cast<double>(warnings_)}};
}

BatchView MujocoVectorEnv::View() const {
  BatchView view;
  view.obs = obs_;
  view.next_obs = next_obs_;
  (frames_differ_ ? present_pictures_ : next_pictures_).ShowPresent(view);
  next_pictures_.ShowNext(view);
  view.frame_fresh = fresh_;
  view.goal_frame = goal_frame_;
  view.goal_id = goal_id_;
  view.env_reward = env_reward_;
  view.reward = reward_;
  view.terminated = terminated_;
  view.truncated = truncated_;
  view.success = success_;
  view.episode_id = episode_id_;
  view.episode_step = episode_step_;
  view.info = info_;
  return view;
}

// --- the driving thread ---

void MujocoVectorEnv::Start(Task task) {
  {
    const std::lock_guard lock(mutex_);
    task_ = task;
  }
  to_driver_.notify_one();
}

void MujocoVectorEnv::Finish() {
  std::unique_lock lock(mutex_);
  to_caller_.wait(lock, [&] { return task_ == Task::kNone; });
  if (failure_) {
    const std::exception_ptr failure = failure_;
    failure_ = nullptr;
    started_ = false;  // what the rows hold is half a step
    std::rethrow_exception(failure);
  }
}

void MujocoVectorEnv::Loop() {
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      to_driver_.wait(lock, [&] { return task_ != Task::kNone; });
      task = task_;
    }
    if (task == Task::kStop) return;
    std::exception_ptr failure;
    try {
      switch (task) {
        case Task::kStep:
          StepAll();
          break;
        case Task::kReset:
          ResetAll();
          break;
        case Task::kRestart:
          RestartSome();
          break;
        default:
          EnterOne();
      }
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      failure_ = failure;
      task_ = Task::kNone;
    }
    to_caller_.notify_one();
  }
}

void MujocoVectorEnv::ResetAll() {
  ids_.resize(n());
  std::iota(ids_.begin(), ids_.end(), 0);
  for (auto* v : {&terminated_, &truncated_, &success_, &ended_, &goal_turns_})
    std::fill(v->begin(), v->end(), 0);
  std::fill(env_reward_.begin(), env_reward_.end(), 0.0);
  std::fill(reward_.begin(), reward_.end(), 0.f);
  std::fill(info_.begin(), info_.end(), 0.0);
  std::fill(episode_.begin(), episode_.end(), -1);
  BeginEpisodes();
  next_obs_ = obs_;
  episode_id_ = episode_;
  episode_step_ = steps_;
  goal_frame_ = coming_goal_.rgb;
  goal_id_ = coming_goal_id_;
  std::fill(goal_turns_.begin(), goal_turns_.end(), 0);
  std::fill(fresh_.begin(), fresh_.end(), 1);
  DrawPictures(next_pictures_);
  frames_differ_ = false;
}

void MujocoVectorEnv::ShowGoal(int i) {
  goal_turns_[i] = 0;
  goal_id_[i] = coming_goal_id_[i];
  const size_t bytes = goal_frame_.size() / n();
  std::copy_n(coming_goal_.rgb.begin() + i * bytes, bytes, goal_frame_.begin() + i * bytes);
}

void MujocoVectorEnv::StepAll() {
  for (int i = 0; i < n(); ++i) {  // goals of episodes that began at the end of the last step
    if (goal_turns_[i]) ShowGoal(i);
  }
  const bool next_step = autoreset_ == Autoreset::kNextStep;
  if (next_step && std::find(ended_.begin(), ended_.end(), 1) != ended_.end()) {
    ids_.clear();
    for (int i = 0; i < n(); ++i) {
      if (ended_[i]) ids_.push_back(i);
    }
    for (int i : ids_) ClearRow(i);
    BeginEpisodes();
    for (int i : ids_) {
      std::copy_n(obs_.begin() + i * spec_.obs_dim, spec_.obs_dim,
                  next_obs_.begin() + i * spec_.obs_dim);
      ShowGoal(i);
    }
  }
  ids_.clear();
  for (int i = 0; i < n(); ++i) {
    if (!ended_[i]) ids_.push_back(i);
    if (ended_[i] && autoreset_ == Autoreset::kDisabled) env_reward_[i] = 0;
  }
  if (!ids_.empty()) {
    for (int i : ids_) ClearRow(i);
    const Stopwatch watch;
    Apply(StepSim, /*save=*/true);
    env_seconds_ += watch.Seconds();
  }
  for (int i : ids_) {
    if (++steps_[i] >= spec_.max_episode_steps && !terminated_[i]) truncated_[i] = 1;
  }
  episode_id_ = episode_;
  episode_step_ = steps_;
  obs_ = next_obs_;

  // Pictures of every state after the step: the started ones of next_step included, the frozen ones
  // of disabled unchanged.
  if (next_step) {
    ids_.resize(n());
    std::iota(ids_.begin(), ids_.end(), 0);  // in order: the batch engine takes no other
    std::fill(ended_.begin(), ended_.end(), 0);
  }
  DrawDue();

  ids_.clear();
  for (int i = 0; i < n(); ++i) {
    if (!ended_[i] && (terminated_[i] || truncated_[i])) ids_.push_back(i);
  }
  if (ids_.empty()) return;
  if (autoreset_ != Autoreset::kSameStep) {
    for (int i : ids_) ended_[i] = 1;
    return;
  }
  if (renderer_ != nullptr && ids_.size() < envs_.size()) {
    present_pictures_ = next_pictures_;
  }
  BeginEpisodes();
  DrawPictures(present_pictures_);
  frames_differ_ = renderer_ != nullptr;
}

void MujocoVectorEnv::ClearRow(int i) {
  env_reward_[i] = 0;
  terminated_[i] = truncated_[i] = success_[i] = 0;
  std::fill_n(info_.begin() + i * spec_.info_dim, spec_.info_dim, 0.0);
}

// Of the env ids_[0], from start_.
void MujocoVectorEnv::EnterOne() {
  const int i = ids_[0];
  ClearRow(i);
  goal_turns_[i] = 0;
  ++episode_[i];
  steps_[i] = 0;
  Apply(EnterSim, /*save=*/true);
  ShowStarts();
}

// Of the envs ids_.
void MujocoVectorEnv::RestartSome() {
  for (int i : ids_) ClearRow(i);
  BeginEpisodes();
  for (int i : ids_) ShowGoal(i);
  ShowStarts();
}

// The rows of envs ids_ are those of a first state; the others stay.
void MujocoVectorEnv::ShowStarts() {
  for (int i : ids_) {
    reward_[i] = 0;
    ended_[i] = 0;
    std::copy_n(obs_.begin() + i * spec_.obs_dim, spec_.obs_dim,
                next_obs_.begin() + i * spec_.obs_dim);
    episode_id_[i] = episode_[i];
    episode_step_[i] = 0;
    if (renderer_ != nullptr) fresh_[i] = 1;
  }
  // Where the pictures of both states differ, the others' of the present state are there.
  if (renderer_ != nullptr && frames_differ_) DrawPictures(present_pictures_);
  DrawPictures(next_pictures_);
}

void MujocoVectorEnv::BeginEpisodes() {
  const Stopwatch watch;
  for (int i : ids_) {
    ++episode_[i];
    steps_[i] = 0;
    goal_turns_[i] = 1;
    coming_goal_id_[i] = spec_.has_goal_frame ? episode_[i] * slice_.total + slice_.first + i : 0;
  }
  Apply(ResetSim, /*save=*/true);
  if (spec_.has_goal_frame) Apply(PoseGoalSim, /*save=*/false);
  env_seconds_ += watch.Seconds();
  if (!spec_.has_goal_frame) return;
  DrawPictures(coming_goal_);
  Apply(RefreshSim, /*save=*/false);
}

void MujocoVectorEnv::DrawDue() {
  if (renderer_ == nullptr) return;
  // What is not drawn shows what the last step showed.
  if (frames_differ_) std::swap(present_pictures_, next_pictures_);
  frames_differ_ = false;
  for (int i : ids_) {
    fresh_[i] = steps_[i] % spec_.render_every == 0 || terminated_[i] || truncated_[i];
  }
  std::erase_if(ids_, [&](int i) { return !fresh_[i]; });
  DrawPictures(next_pictures_);
}

void MujocoVectorEnv::DrawPictures(PictureSet& set) {
  if (renderer_ == nullptr || ids_.empty()) return;
  const Stopwatch watch;
  if (stale_kinematics_) Apply(KinematicsSim, /*save=*/false);
  size_t count = 0;
  for (int i : ids_) {
    const double seconds = steps_[i] * spec_.control_dt;
    if (!looks_.empty()) looks_[i] = distractors_[i].Look(distractor_options_, seconds);
    DrawRequest& picture = pictures_[count++] = set.Of(i);
    picture.data = data_[i];
    picture.look = looks_.empty() ? nullptr : &looks_[i];
    picture.model = models_.empty() ? nullptr : models_[i]->get();
  }
  renderer_->Draw({pictures_.data(), count});
  render_seconds_ += watch.Seconds();
}

// MuJoCo's counters start anew when a simulation is reset, so what is new is added up after every
// batch call.
void MujocoVectorEnv::CountWarnings() {
  const mjWarningStat* warning = mjb_warning(batch_.get());
  for (int i : ids_) {
    int count = 0;
    for (int k = 0; k < mjNWARNING; ++k) count += warning[i * mjNWARNING + k].number;
    warnings_ += std::max(0, count - seen_warnings_[i]);
    const bool more = count > seen_warnings_[i];
    seen_warnings_[i] = count;
    if (more && divergence_is_error_) CheckDivergence(i);
  }
}

void MujocoVectorEnv::CheckDivergence(int i) const {
  for (int kind : {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC}) {
    const mjWarningStat& bad = mjb_warning(batch_.get())[i * mjNWARNING + kind];
    if (bad.number == 0) continue;
    ThrowUser(
        "{}: the simulation of env {} diverged in step {} of episode {}: MuJoCo says '{}' Lower "
        "the model's timestep, take a stiffer integrator (implicitfast) or weaken its actuators",
        spec_.name, i, steps_[i] + 1, episode_[i], mju_warningText(kind, bad.lastinfo));
  }
}

}  // namespace v2r
