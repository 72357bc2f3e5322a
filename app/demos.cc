#include "app/demos.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "media/manifest.h"
#include "media/video.h"

namespace v2r {
namespace {

struct Kind {
  const char* label;
  ExpertSkill skill;
  int64_t count;
  bool wants_success;
};

// One round: every environment plays one whole episode. Keeps the pictures of all of them.
struct Episode {
  std::vector<std::vector<uint8_t>> frames;
  double true_return = 0;
  bool success = false;
};

std::vector<Episode> PlayRound(VectorEnv& env, ExpertSkill skill, uint64_t seed, Rng& rng) {
  const VectorEnvSpec& spec = env.Spec();
  const size_t picture = static_cast<size_t>(spec.height) * spec.width * 3;
  std::vector<Episode> episodes(spec.num_envs);
  std::vector<uint8_t> finished(spec.num_envs, 0);
  std::vector<float> actions(spec.num_envs * spec.act_dim);
  const auto keep = [&](std::span<const uint8_t> frames, int64_t i) {
    const uint8_t* first = frames.data() + i * picture;
    episodes[i].frames.emplace_back(first, first + picture);
  };
  BatchView batch = env.Reset(seed);
  for (int64_t i = 0; i < spec.num_envs; ++i) keep(batch.frame, i);
  for (int64_t t = 0; t < spec.max_episode_steps; ++t) {
    PollInterrupt();
    env.ExpertActions(skill, rng, actions);
    batch = env.Step(actions);
    for (int64_t i = 0; i < spec.num_envs; ++i) {
      if (finished[i]) continue;
      keep(batch.next_frame, i);
      episodes[i].true_return += batch.env_reward[i];
      episodes[i].success = batch.success[i] != 0;
      finished[i] = batch.terminated[i] || batch.truncated[i];
    }
  }
  return episodes;
}

void WriteClip(const std::filesystem::path& path, const Episode& episode, double fps, int height, int width) {
  VideoWriter writer(path, fps, height, width);
  for (const auto& frame : episode.frames) writer.Write({frame.data(), height, width});
  writer.Close();
}

}  // namespace

void FilmDemos(const EnvOptions& env_options, const DemoOptions& demos, const std::filesystem::path& folder) {
  if (demos.frame_size % 2 != 0) ThrowUser("demos.frame_size is {}: H.264 needs an even size", demos.frame_size);
  EnvOptions film = env_options;
  film.render = true;
  film.frame_size = demos.frame_size;
  film.autoreset = "same_step";
  film.num_envs = std::clamp<int64_t>(std::max(demos.good, std::max(demos.near_miss, demos.random)), 1, 16);
  const auto env = MakeVectorEnv(film);
  const VectorEnvSpec& spec = env->Spec();
  const double fps = 1.0 / spec.control_dt;
  const std::vector<Kind> kinds = {{"good", ExpertSkill::kGood, demos.good, true},
                                   {"near_miss", ExpertSkill::kNearMiss, demos.near_miss, false},
                                   {"random", ExpertSkill::kRandom, demos.random, false}};
  Rng rng = Rng(demos.seed).Fork("demos");
  Manifest manifest;
  manifest.task = spec.name;
  Progress progress("filming " + spec.name, demos.good + demos.near_miss + demos.random);
  int64_t done = 0;
  for (const Kind& kind : kinds) {
    if (kind.count == 0) continue;
    MakeDirectories(folder / kind.label);
    int64_t kept = 0;
    for (uint64_t round = 0; kept < kind.count; ++round) {
      if (round > 200) {
        ThrowUser("{}: the scripted expert gave only {} {} clips of {} in {} rounds", spec.name, kept, kind.label,
                  kind.count, round);
      }
      Rng stream = rng.Fork(kind.label, round);
      const uint64_t seed = stream.NextU64() >> 1;
      for (const Episode& episode : PlayRound(*env, kind.skill, seed, stream)) {
        if (kept == kind.count) break;
        if (episode.success != kind.wants_success) continue;
        const std::string file = fmt::format("{}/{:03d}.mp4", kind.label, kept);
        WriteClip(folder / file, episode, fps, static_cast<int>(spec.height), static_cast<int>(spec.width));
        manifest.clips.push_back({.file = file,
                                  .label = kind.label,
                                  .fps = fps,
                                  .frames = static_cast<int64_t>(episode.frames.size()),
                                  .episode_return = episode.true_return,
                                  .success = episode.success});
        ++kept;
        progress.Update(++done, kind.label);
        PollInterrupt();
      }
    }
  }
  WriteManifest(folder / "manifest.json", manifest);
  LogInfo("filmed {} clips of {} at {} px into {}", done, spec.name, demos.frame_size, folder.string());
}

}  // namespace v2r
