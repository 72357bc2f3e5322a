// Whole episodes of a task's scripted expert with all their pictures.
#pragma once

#include <filesystem>
#include <vector>

#include "app/options.h"
#include "core/rng.h"
#include "envs/vector_env.h"
#include "media/manifest.h"

namespace v2r {

// frames[0] is the first state; rewards and successes belong to the steps: one fewer.
struct Episode {
  std::vector<std::vector<uint8_t>> frames;  // uint8 [H,W,3] RGB each
  std::vector<double> rewards;
  std::vector<uint8_t> successes;
  std::vector<float> distances;  // true distance of each frame's state in metres; NaN = unknown
  bool success() const { return successes.back() != 0; }
  double Return() const;
  // Keeps `hold` steps of the success that lasts to the end: frames that look alike would teach an
  // encoder that time passes while nothing changes. -1 keeps all, and so does an episode without
  // success.
  void Cut(int64_t hold);
};

// One whole episode in every environment. Equal seeds and equal `rng` give equal episodes at any
// picture size.
std::vector<Episode> PlayRound(VectorEnv& env, ExpertSkill skill, uint64_t seed, Rng& rng);

// The environment that films: demos.frame_size pixels (0 = the smallest even, odd multiple of the
// reward's picture that reaches 400), `num_envs` at once. UserError: an odd frame_size.
EnvOptions FilmOptions(const EnvOptions& env, const DemoOptions& demos, int64_t num_envs);
// How `film` relates to the pictures that `env` draws; size 0 when it does not hold them.
ManifestRender FilmedRender(const EnvOptions& env, const EnvOptions& film);

// ".mp4", ".mkv", ...: of demos.format.
std::string FilmExtension(const DemoOptions& demos);

// In demos.format, which `path` has the extension of; the final name appears when the film is complete.
void WriteClip(const std::filesystem::path& path, const Episode& episode,
               const VectorEnvSpec& spec, const DemoOptions& demos);

}  // namespace v2r
