#include "app/episodes.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/interrupt.h"
#include "media/video.h"

namespace v2r {
namespace {

constexpr int64_t kSharpFilm = 400;  // pixels: from here on the codec's blur of edges is small
constexpr int64_t kLargestFilm = 1024;

// The pixels a side that the renderer draws for one of the reward's pictures.
int64_t DrawnSize(const EnvOptions& env) { return env.frame_size * env.supersample; }

int64_t FilmSize(const EnvOptions& env) {
  for (int64_t times = 1; times * DrawnSize(env) <= kLargestFilm; times += 2) {
    const int64_t size = times * DrawnSize(env);
    if (size >= kSharpFilm && size % 2 == 0) return size;
  }
  return std::max<int64_t>(448, env.frame_size / 2 * 2);
}

}  // namespace

double Episode::Return() const { return std::accumulate(rewards.begin(), rewards.end(), 0.0); }

void Episode::Cut(int64_t hold) {
  if (hold < 0 || !success()) return;
  const auto failed = std::find(successes.rbegin(), successes.rend(), 0);
  const auto reached =
      static_cast<size_t>(successes.rend() - failed);  // steps before the success that lasts
  const size_t steps = std::min(successes.size(), reached + 1 + static_cast<size_t>(hold));
  frames.resize(steps + 1);
  rewards.resize(steps);
  successes.resize(steps);
  distances.resize(steps + 1);
}

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
  std::vector<float> distance(spec.num_envs);
  env.TrueDistance(distance);
  for (int64_t i = 0; i < spec.num_envs; ++i) {
    keep(batch.frame, i);
    episodes[i].distances.push_back(distance[i]);
  }
  for (int64_t t = 0; t < spec.max_episode_steps; ++t) {
    PollInterrupt();
    env.ExpertActions(skill, rng, actions);
    batch = env.Step(actions);
    env.TrueDistance(distance);
    for (int64_t i = 0; i < spec.num_envs; ++i) {
      if (finished[i]) continue;
      keep(batch.next_frame, i);
      episodes[i].rewards.push_back(batch.env_reward[i]);
      episodes[i].successes.push_back(batch.success[i]);
      finished[i] = batch.terminated[i] || batch.truncated[i];
      // After an episode's end the environment is in the next one.
      episodes[i].distances.push_back(finished[i] ? std::numeric_limits<float>::quiet_NaN()
                                                  : distance[i]);
    }
  }
  return episodes;
}

EnvOptions FilmOptions(const EnvOptions& env, const DemoOptions& demos, int64_t num_envs) {
  if (demos.frame_size % 2 != 0)
    ThrowUser("demos.frame_size is {}: H.264 needs an even size", demos.frame_size);
  EnvOptions film = MainPictures(env);
  film.render = true;
  film.render_every = 1;
  film.frame_size = demos.frame_size > 0 ? demos.frame_size : FilmSize(env);
  film.supersample = 1;
  if (film.detail_size == 0)
    film.detail_size = env.frame_size;  // the same shapes at the same pixels
  film.autoreset = "same_step";
  film.num_envs = num_envs;
  return film;
}

ManifestRender FilmedRender(const EnvOptions& env, const EnvOptions& film) {
  const int64_t drawn = DrawnSize(env);
  const bool holds =
      env.samples == 0 && film.frame_size % drawn == 0 && film.frame_size / drawn % 2 == 1;
  return holds ? ManifestRender{env.frame_size, env.supersample} : ManifestRender{};
}

std::string FilmExtension(const DemoOptions& demos) {
  return "." + demos.format.substr(0, demos.format.find('_'));
}

void WriteClip(const std::filesystem::path& path, const Episode& episode, const VectorEnvSpec& spec,
               const DemoOptions& demos) {
  const int height = static_cast<int>(spec.height), width = static_cast<int>(spec.width);
  VideoWriter writer(path, 1.0 / spec.control_dt, height, width,
                     {.crf = static_cast<int>(demos.crf), .rgb = demos.format == "mp4"});
  for (const auto& frame : episode.frames) writer.Write({frame.data(), height, width});
  writer.Close();
}

}  // namespace v2r
