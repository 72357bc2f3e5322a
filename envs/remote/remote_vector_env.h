// A vector env whose environments live in other processes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envs/make.h"
#include "envs/remote/shard.h"

namespace v2r {

// Each worker steps and draws a contiguous slice of the environments; every env draws from the
// stream of its own index, so that batches are bit-equal for any number of workers and to those of
// one process. Pictures come through shared memory from workers on this host (env.processes and
// unix: addresses), through the socket from the others.
//
// A worker that dies, says nothing for env.worker_timeout seconds or sends something that cannot be
// understood is named in a warning and replaced: the new one loads the state that was kept last (at
// every Reset, LoadState and SaveState and each env.worker_sync steps) and repeats what was asked
// since, so that the numbers are those of a run without the fault.
class RemoteVectorEnv : public VectorEnv {
 public:
  // Starts a process of `index` (env.processes); the default is "PROGRAM worker --fd 3", where
  // PROGRAM is $V2R_WORKER_PROGRAM or the running program.
  using Spawner = std::function<WorkerProcess(int index)>;
  // UserError: a worker that cannot be started or reached, or refuses.
  explicit RemoteVectorEnv(const EnvOptions& options, Spawner spawn = {});

  const VectorEnvSpec& Spec() const override { return spec_; }
  BatchView Reset(uint64_t seed) override;
  void StepAsync(std::span<const float> actions) override;
  BatchView StepWait() override;
  void FinishRollout(std::span<float>, Metrics&) override {}
  // One worker after the other: they share `rng`.
  void ExpertActions(ExpertSkill skill, Rng& rng, std::span<float> actions) override;
  void TrueDistance(std::span<float> distance) const override;
  BatchView SetState(int64_t i, const StartState& start) override;
  BatchView Restart(std::span<const uint8_t> mask) override;
  // The state has the form of a single process: it can be loaded with any number of workers.
  void SaveState(StateDict& state) const override;
  void LoadState(const StateDict& state) override;
  // The most seconds of any worker, the sum of warnings, and "env/worker_restarts".
  Metrics Timings() const override;

 private:
  ShardPlan Plan(const EnvOptions& options, int64_t index, int64_t count, const Spawner& spawn);
  // Calls each(shard) for all, then throws the first of what they threw: every answer is taken.
  template <typename Each>
  void ForAll(Each each) const;
  void TakeAll();
  BatchView View() const { return layout_.View(block_.data(), frames_differ_); }

  VectorEnvSpec spec_;
  std::vector<std::unique_ptr<Shard>> shards_;
  BatchLayout layout_;
  std::vector<uint8_t> block_;  // the batch
  bool frames_differ_ = false;
  int64_t tail_ = 0;                    // numbers of its distractors at the end of an env's memory
  int64_t sync_steps_ = 0, steps_ = 0;  // steps since a state was kept
  bool started_ = false, waiting_ = false;
};

}  // namespace v2r
