#include "app/demos.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/episodes.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "media/manifest.h"

namespace v2r {
namespace {

struct Kind {
  const char* label;
  ExpertSkill skill;
  int64_t count;
  bool wants_success;
};

// {"true_distance": [metres of each frame]}, null where nobody knows; {} where nobody knows any.
std::string TruthOf(const Episode& episode) {
  nlohmann::json distances = nlohmann::json::array();
  bool known = false;
  for (const float distance : episode.distances) {
    known |= !std::isnan(distance);
    if (std::isnan(distance)) {
      distances.push_back(nullptr);
    } else {
      distances.push_back(std::round(static_cast<double>(distance) * 1e6) / 1e6);
    }
  }
  return known ? nlohmann::json{{"true_distance", distances}}.dump() : "{}";
}

}  // namespace

void FilmDemos(const EnvOptions& env_options, const DemoOptions& demos,
               const std::filesystem::path& folder) {
  const int64_t most = std::max({demos.good, demos.near_miss, demos.random});
  const EnvOptions film = FilmOptions(env_options, demos, std::clamp<int64_t>(most, 1, 16));
  const auto env = MakeVectorEnv(film);
  const VectorEnvSpec& spec = env->Spec();
  const std::vector<Kind> kinds = {{"good", ExpertSkill::kGood, demos.good, true},
                                   {"near_miss", ExpertSkill::kNearMiss, demos.near_miss, false},
                                   {"random", ExpertSkill::kRandom, demos.random, false}};
  Rng rng = Rng(demos.seed).Fork("demos");
  Manifest manifest;
  manifest.task = spec.name;
  manifest.render = FilmedRender(env_options, film);
  if (manifest.render.size == 0) {
    LogWarn(
        "films of {} px are no odd multiple of the reward's pictures ({} px drawn): films and "
        "rewards will look "
        "slightly different; demos.frame_size=0 chooses a size that fits",
        film.frame_size, env_options.frame_size * env_options.supersample);
  }
  Progress progress("filming " + spec.name, demos.good + demos.near_miss + demos.random);
  int64_t done = 0;
  for (const Kind& kind : kinds) {
    if (kind.count == 0) continue;
    MakeDirectories(folder / kind.label);
    int64_t kept = 0;
    for (uint64_t round = 0; kept < kind.count; ++round) {
      if (round > 200) {
        ThrowUser("{}: the scripted expert gave only {} {} clips of {} in {} rounds", spec.name,
                  kept, kind.label, kind.count, round);
      }
      Rng stream = rng.Fork(kind.label, round);
      const uint64_t seed = stream.NextU64() >> 1;
      for (Episode& episode : PlayRound(*env, kind.skill, seed, stream)) {
        if (kept == kind.count) break;
        if (episode.success() != kind.wants_success) continue;
        episode.Cut(demos.hold);
        const std::string file = fmt::format("{}/{:03d}{}", kind.label, kept, FilmExtension(demos));
        WriteClip(folder / file, episode, spec, demos);
        manifest.clips.push_back({.file = file,
                                  .label = kind.label,
                                  .fps = 1.0 / spec.control_dt,
                                  .frames = static_cast<int64_t>(episode.frames.size()),
                                  .episode_return = episode.Return(),
                                  .success = episode.success(),
                                  .extra = TruthOf(episode)});
        ++kept;
        progress.Update(++done, kind.label);
        PollInterrupt();
      }
    }
  }
  WriteManifest(folder / "manifest.json", manifest);
  LogInfo("filmed {} clips of {} at {} px into {}", done, spec.name, film.frame_size,
          folder.string());
}

}  // namespace v2r
