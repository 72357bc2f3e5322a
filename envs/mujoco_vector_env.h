// The vector env on MuJoCo: task code runs inside MuJoCo's batch engine, pictures come from the
// Renderer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "envs/distractor.h"
#include "envs/env.h"
#include "envs/make.h"
#include "envs/picture_set.h"
#include "envs/renderer.h"

namespace v2r {

// Which environments of a larger whole these are: env i here draws what env `first` + i of `total`
// draws, and is called that in messages.
struct EnvSlice {
  int64_t first = 0;
  int64_t total = 0;  // 0 = these are all
};

// Autoreset ("env.autoreset"), in Gymnasium's words:
// - same_step: the step that ends an episode also starts the next one; obs/frame show its first
// state, next_obs/next_frame the last
//   state of the old one.
// - next_step: the step after the end ignores its action and starts the next episode (reward 0,
// episode_step 0).
// - disabled: an env that has ended keeps its last row, reward 0 and flags until Reset; its actions
// are ignored.
//
// Everything random is drawn from Rng(seed).Fork("env", i).Fork("episode", k), so neither the
// number of threads nor what other envs do matters. After construction and the first steps,
// stepping allocates nothing (the GL driver's own allocations aside).
class MujocoVectorEnv : public VectorEnv {
 public:
  using EnvFactory = std::function<std::unique_ptr<Env>()>;
  // `make` is called once a simulation; options.id is the name in messages and state files.
  // UserError: unknown camera, no EGL.
  MujocoVectorEnv(const EnvOptions& options, const EnvFactory& make, EnvSlice slice = {});
  ~MujocoVectorEnv() override;

  const VectorEnvSpec& Spec() const override { return spec_; }
  BatchView Reset(uint64_t seed) override;
  void StepAsync(std::span<const float> actions) override;
  BatchView StepWait() override;
  // On the calling thread: nothing is handed over.
  BatchView Step(std::span<const float> actions) override;
  void FinishRollout(std::span<float> rewards, Metrics& metrics) override;
  void ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) override;
  void TrueDistance(std::span<float> distance) const override;
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;
  BatchView SetState(int64_t i, const StartState& start) override;
  BatchView Restart(std::span<const uint8_t> mask) override;
  // "time/env", "time/render" (seconds) and "env/warnings" (bad states that MuJoCo met and reset).
  Metrics Timings() const override;

 private:
  enum class Task { kNone, kStep, kReset, kEnter, kRestart, kStop };
  enum class Autoreset { kSameStep, kNextStep, kDisabled };

  void TakeActions(std::span<const float> actions);

  // On the driving thread, or the caller's while that one waits.
  void Loop();
  void Start(Task task);
  void Finish();
  void StepAll();
  void ResetAll();
  void EnterOne();
  void RestartSome();
  void ShowStarts();
  void ShowGoal(int i);  // of the episode that has begun
  void ClearRow(int i);  // of the step that comes
  void BeginEpisodes();  // of envs ids_: states, goal pictures; obs_ rows
  void Apply(mjfBatchFunc function,
             bool save);               // to envs ids_; throws what task code or MuJoCo threw
  void DrawPictures(PictureSet& set);  // of envs ids_
  void DrawDue();                      // next_pictures_ of those of ids_ that have them now
  void CountWarnings();                // and says where a simulation diverged
  void CheckDivergence(int i) const;
  template <typename Body>
  static void Guarded(void* arg, int i, Body body);

  // Inside the batch engine, for simulation i.
  static void CaptureSim(const mjModel* m, mjData* d, int i, void* arg);
  static void StepSim(const mjModel* m, mjData* d, int i, void* arg);
  static void ResetSim(const mjModel* m, mjData* d, int i, void* arg);
  static void PoseGoalSim(const mjModel* m, mjData* d, int i, void* arg);
  static void EnterSim(const mjModel* m, mjData* d, int i, void* arg);
  static void RefreshSim(const mjModel* m, mjData* d, int i, void* arg);
  static void KinematicsSim(const mjModel* m, mjData* d, int i, void* arg);

  EnvRow Row(std::vector<float>& obs, int i);
  // A row for Reset and Enter: its flags belong to the episode before, so they go nowhere.
  EnvRow StartRow(int i, double& reward, uint8_t* flags);
  Sim SimOf(int i) const { return {ModelOf(i), data_[i]}; }
  const mjModel* ModelOf(int i) const {
    return models_.empty() ? mjb_model(batch_.get()) : models_[i]->get();
  }
  BatchView View() const;
  int64_t n() const { return spec_.num_envs; }

  VectorEnvSpec spec_;
  EnvSlice slice_;
  Autoreset autoreset_ = Autoreset::kSameStep;
  std::vector<std::unique_ptr<Env>> envs_;
  ModelPtr base_;                                      // of models_
  std::vector<std::unique_ptr<PrivateModel>> models_;  // [N] where tasks write, else empty
  bool stale_kinematics_ = false;
  bool clip_action_ = true;
  bool divergence_is_error_ = false;
  BatchPtr batch_;
  std::vector<mjData*> data_;  // the batch's own, one a simulation
  DistractorOptions distractor_options_;
  int distractor_mocap_ = -1;            // -1: no disc moves
  std::vector<Distractor> distractors_;  // empty without
  std::vector<SceneLook> looks_;         // of the pictures being drawn
  std::unique_ptr<Renderer> renderer_;   // null when nothing is drawn
  std::vector<DrawRequest> pictures_;

  // Batch arrays, allocated once.
  std::vector<float> actions_, obs_, next_obs_, reward_;
  std::vector<double> env_reward_;
  std::vector<double> info_;  // [N, info_dim]
  PictureSet present_pictures_, next_pictures_, coming_goal_;
  std::vector<uint8_t> goal_frame_, fresh_;
  std::vector<int64_t> goal_id_, coming_goal_id_, episode_id_, episode_step_;
  std::vector<uint8_t> terminated_, truncated_, success_;
  std::vector<int64_t> episode_;     // [N] episode that is going on
  std::vector<int64_t> steps_;       // [N] steps taken in it
  std::vector<uint8_t> ended_;       // [N] next_step: restarts at the next step; disabled: frozen
  std::vector<uint8_t> goal_turns_;  // [N] goal_frame_ takes the coming one at the next step
  std::vector<int> ids_;             // envs that the present batch call is about
  std::vector<std::exception_ptr> errors_;
  std::atomic<int64_t> handover_{0};  // orders task code against the caller, as a sanitizer sees it
  // Some episode restarted: present_pictures_ are those of the present states, else next_pictures_
  // serve both.
  bool frames_differ_ = false;
  const StartState* start_ = nullptr;  // during SetState
  uint64_t seed_ = 0;
  bool started_ = false;

  double env_seconds_ = 0, render_seconds_ = 0;
  int64_t warnings_ = 0;            // of all time
  std::vector<int> seen_warnings_;  // [N] MuJoCo's counter after the last batch call

  std::mutex mutex_;
  std::condition_variable to_driver_, to_caller_;
  Task task_ = Task::kNone;
  bool waiting_ = false;  // StepAsync was called, StepWait not yet
  std::exception_ptr failure_;
  std::thread driver_;  // last: stops before the rest goes
};

}  // namespace v2r
