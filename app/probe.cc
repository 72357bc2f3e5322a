#include "app/probe.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "app/episodes.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "envs/make.h"
#include "reward/distance.h"
#include "reward/embedder.h"
#include "reward/quality.h"
#include "reward/render_gap.h"

namespace v2r {
namespace {

constexpr int64_t kEnvs = 16;
constexpr int64_t kFilmed = 8;  // episodes of the comparison with films
constexpr uint64_t kSeed = 77;

torch::Tensor Pictures(std::span<const uint8_t> frames, const VectorEnvSpec& spec) {
  return torch::from_blob(const_cast<uint8_t*>(frames.data()),
                          {spec.num_envs, spec.height, spec.width, 3}, torch::kUInt8);
}

// One episode of each behaviour in kEnvs environments: states on the way to the goal, beside it and
// anywhere.
RewardProbe MakeProbe(const TrainOptions& options, const Assembly& assembly) {
  EnvOptions env_options = MainPictures(options.env);
  env_options.render = true;
  env_options.num_envs = kEnvs;
  const auto env = MakeVectorEnv(env_options);
  const VectorEnvSpec& spec = env->Spec();
  const Embedder embedder(assembly.encoder.get(), MoreEncoders(options.reward, assembly.device));
  std::vector<torch::Tensor> embeddings, goals, distances;
  std::vector<float> actions(kEnvs * spec.act_dim), distance(kEnvs);
  Rng rng = Rng(kSeed).Fork("probe");
  for (const ExpertSkill skill :
       {ExpertSkill::kGood, ExpertSkill::kNearMiss, ExpertSkill::kRandom}) {
    BatchView batch = env->Reset(rng.NextU64() >> 1);
    // The last step of an episode is left out: after it the environments show the next one.
    for (int64_t t = 0; t + 1 < spec.max_episode_steps; ++t) {
      PollInterrupt();
      env->ExpertActions(skill, rng, actions);
      batch = env->Step(actions);
      env->TrueDistance(distance);
      embeddings.push_back(embedder.Embed(Pictures(batch.next_frame, spec)).cpu());
      if (options.reward.goal.kind == "env" && !batch.goal_frame.empty()) {
        goals.push_back(embedder.Embed(Pictures(batch.goal_frame, spec)).cpu());
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

// Frames of the same episode one after the other: [T,H,W,3].
torch::Tensor Stack(const Episode& episode, const VectorEnvSpec& spec) {
  auto frames = torch::empty(
      {static_cast<int64_t>(episode.frames.size()), spec.height, spec.width, 3}, torch::kUInt8);
  auto* to = frames.data_ptr<uint8_t>();
  for (const auto& frame : episode.frames) to = std::copy(frame.begin(), frame.end(), to);
  return frames;
}

}  // namespace

double MeasureFilmGap(const TrainOptions& options, const Encoder& encoder,
                      const DistanceFn& distance, const std::filesystem::path& folder) {
  const EnvOptions film_options = FilmOptions(options.env, options.demos, kFilmed);
  EnvOptions small_options = film_options;
  small_options.frame_size = options.env.frame_size;
  small_options.supersample = options.env.supersample;
  const auto film_env = MakeVectorEnv(film_options), small_env = MakeVectorEnv(small_options);
  Rng film_rng = Rng(kSeed).Fork("film"), small_rng = film_rng;
  auto films = PlayRound(*film_env, ExpertSkill::kGood, kSeed, film_rng);
  auto pictures = PlayRound(*small_env, ExpertSkill::kGood, kSeed, small_rng);
  MakeDirectories(folder);
  Manifest manifest;
  manifest.render = FilmedRender(options.env, film_options);
  std::vector<torch::Tensor> rendered;
  for (size_t i = 0; i < films.size(); ++i) {
    films[i].Cut(options.demos.hold);
    pictures[i].Cut(options.demos.hold);
    manifest.clips.push_back({.file = fmt::format("{:03d}{}", i, FilmExtension(options.demos))});
    WriteClip(folder / manifest.clips.back().file, films[i], film_env->Spec(), options.demos);
    const auto embeddings = encoder.Embed(Stack(pictures[i], small_env->Spec()));
    rendered.push_back(embeddings.slice(0, 0, -1));
  }
  WriteManifest(folder / "manifest.json", manifest);
  std::vector<torch::Tensor> film, next;
  for (const Clip& clip : LoadDemos(folder, encoder.spec()).clips) {
    const auto embeddings = encoder.Embed(clip.frames);
    film.push_back(embeddings.slice(0, 0, -1));
    next.push_back(embeddings.slice(0, 1));
  }
  std::filesystem::remove_all(folder);
  return RenderGap(distance, torch::cat(film), torch::cat(rendered), torch::cat(next));
}

std::string ReportQuality(const TrainOptions& options, const Assembly& assembly,
                          const std::filesystem::path& run) {
  RewardQuality quality = MeasureRewardQuality(options.reward, assembly.encoder, assembly.device,
                                               assembly.demos, MakeProbe(options, assembly));
  // Only our own films can be drawn again; of others nobody knows the state.
  const std::filesystem::path listed = assembly.demos_folder / "manifest.json";
  if (std::filesystem::exists(listed) && ReadManifest(listed).task == options.env.id) {
    quality.render_gap =
        MeasureFilmGap(options, *assembly.encoder,
                       MakeDistance(options.reward.distance, assembly.encoder), run / "film_gap");
  }
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
      {"render_gap", quality.render_gap},
      {"wrong_goal_near", quality.wrong_goal_near},
      {"wrong_goal_broad", quality.wrong_goal_broad},
  };
  WriteFileAtomic(run / "quality.json", json.dump(2) + "\n");
  return quality.ToTable();
}

}  // namespace v2r
