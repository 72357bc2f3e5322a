#include "app/probe.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "core/files.h"
#include "core/interrupt.h"
#include "reward/quality.h"

namespace v2r {
namespace {

constexpr int64_t kEnvs = 16;
constexpr uint64_t kSeed = 77;

torch::Tensor Pictures(std::span<const uint8_t> frames, const VectorEnvSpec& spec) {
  return torch::from_blob(const_cast<uint8_t*>(frames.data()),
                          {spec.num_envs, spec.height, spec.width, 3}, torch::kUInt8);
}

// One episode of each behaviour in kEnvs environments: states on the way to the goal, beside it and anywhere.
RewardProbe MakeProbe(const TrainOptions& options, const Assembly& assembly) {
  EnvOptions env_options = options.env;
  env_options.render = true;
  env_options.num_envs = kEnvs;
  const auto env = MakeVectorEnv(env_options);
  const VectorEnvSpec& spec = env->Spec();
  std::vector<torch::Tensor> embeddings, goals, distances;
  std::vector<float> actions(kEnvs * spec.act_dim), distance(kEnvs);
  Rng rng = Rng(kSeed).Fork("probe");
  for (const ExpertSkill skill : {ExpertSkill::kGood, ExpertSkill::kNearMiss, ExpertSkill::kRandom}) {
    BatchView batch = env->Reset(rng.NextU64() >> 1);
    // The last step of an episode is left out: after it the environments show the next one.
    for (int64_t t = 0; t + 1 < spec.max_episode_steps; ++t) {
      PollInterrupt();
      env->ExpertActions(skill, rng, actions);
      batch = env->Step(actions);
      env->TrueDistance(distance);
      embeddings.push_back(assembly.encoder->Embed(Pictures(batch.next_frame, spec)).cpu());
      if (options.reward.goal.kind == "env" && !batch.goal_frame.empty()) {
        goals.push_back(assembly.encoder->Embed(Pictures(batch.goal_frame, spec)).cpu());
      }
      distances.push_back(torch::tensor(at::ArrayRef<float>(distance.data(), distance.size())));
    }
  }
  RewardProbe probe;
  probe.embeddings = torch::cat(embeddings).to(assembly.device);
  probe.true_distance = torch::cat(distances);
  if (!goals.empty()) probe.goal = torch::cat(goals).to(assembly.device);
  return probe;
}

}  // namespace

std::string ReportQuality(const TrainOptions& options, const Assembly& assembly, const std::filesystem::path& run) {
  const RewardQuality quality = MeasureRewardQuality(options.reward, assembly.encoder, assembly.device, assembly.demos,
                                                     MakeProbe(options, assembly));
  const nlohmann::ordered_json json = {
      {"good_clips", quality.good_clips},
      {"near_miss_clips", quality.near_miss_clips},
      {"probe_states", quality.probe_states},
      {"near_states", quality.near_states},
      {"voc_median", quality.voc_median},
      {"voc_worst_decile", quality.voc_worst_decile},
      {"auroc_mean_reward", quality.auroc_mean_reward},
      {"auroc_last_frame", quality.auroc_last_frame},
      {"correlation_near", quality.correlation_near},
      {"correlation_broad", quality.correlation_broad},
      {"top_true_distance", quality.top_true_distance},
      {"goal_spread", quality.goal_spread},
      {"wrong_goal_near", quality.wrong_goal_near},
      {"wrong_goal_broad", quality.wrong_goal_broad},
  };
  WriteFileAtomic(run / "quality.json", json.dump(2) + "\n");
  return quality.ToTable();
}

}  // namespace v2r
