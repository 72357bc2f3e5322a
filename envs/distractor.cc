#include "envs/distractor.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <numbers>
#include <type_traits>

#include "core/error.h"

namespace v2r {
namespace {

using std::numbers::pi;

static_assert(std::is_trivially_copyable_v<Distractor> && sizeof(Distractor) % sizeof(double) == 0);

constexpr int kGlLights = 8;  // of MuJoCo's classic renderer

constexpr std::array<float, 3> kFloors[] = {
    {.86f, .86f, .83f}, {.95f, .90f, .75f}, {.78f, .88f, .95f}, {.80f, .93f, .80f},
    {.95f, .80f, .85f}, {.85f, .80f, .95f}, {.80f, .78f, .62f}, {.62f, .74f, .78f},
    {.84f, .68f, .68f}, {.40f, .44f, .50f}, {.44f, .52f, .40f}, {.46f, .36f, .52f}};
constexpr std::array<float, 3> kDiscs[] = {
    {.00f, .62f, .68f}, {.95f, .15f, .65f}, {.98f, .98f, .98f}, {.04f, .04f, .05f},
    {.50f, .55f, .00f}, {.65f, .95f, .10f}, {.05f, .10f, .40f}};

}  // namespace

std::span<const std::array<float, 3>> FloorPalette() { return kFloors; }
std::span<const std::array<float, 3>> DiscPalette() { return kDiscs; }

void Wandering::Draw(Rng& rng) {
  for (int axis = 0; axis < 2; ++axis) {
    centre[axis] = rng.Uniform(-0.1, 0.1);
    reach[axis] = rng.Uniform(0.05, 0.13);
    rate[axis] = rng.Uniform(0.8, 2.5);
    if (!rng.Bernoulli(0.5)) rate[axis] = -rate[axis];
    phase[axis] = rng.Uniform(-pi, pi);
  }
}

double Wandering::At(int axis, double seconds) const {
  return centre[axis] + reach[axis] * std::sin(rate[axis] * seconds + phase[axis]);
}

void Distractor::Draw(const Rng& episode) {
  Rng rng = episode.Fork("distractor");
  first.Draw(rng);
  floor = rng.Uniform(0.6, 0.7);
  swing = 0.4;
  swing_rate = rng.Uniform(2, 6);  // rad/s
  swing_phase = rng.Uniform(-pi, pi);

  for (size_t k = 0; k < others.size(); ++k) {
    rng = episode.Fork("distractor", k + 1);
    others[k].way.Draw(rng);
    others[k].size = rng.Uniform(0.6, 1.3);
    const auto& colour = kDiscs[rng.Below(std::size(kDiscs))];
    std::copy(colour.begin(), colour.end(), others[k].colour);
  }
  rng = episode.Fork("distractor background");
  const auto& colour = kFloors[rng.Below(std::size(kFloors))];
  for (int c = 0; c < 3; ++c) floor_colour[c] = colour[c] + rng.Uniform(-0.02, 0.02);
  patches = 1 + static_cast<double>(rng.NextU32());
  rng = episode.Fork("distractor light");
  const double dim = rng.Uniform(0.45, 0.8);
  for (double& x : keep) x = dim * rng.Uniform(0.9, 1);
  azimuth = rng.Uniform(-pi, pi);
  elevation = rng.Uniform(pi / 6, pi / 2.25);
  const double bright = rng.Uniform(0.15, 0.45);
  for (double& x : diffuse) x = bright * rng.Uniform(0.85, 1);
  rng = episode.Fork("distractor camera");
  for (double& x : camera) x = rng.Uniform(-1, 1);
}

void Distractor::Place(double seconds, double* position) const {
  for (int axis = 0; axis < 2; ++axis) position[axis] = first.At(axis, seconds);
}

SceneLook Distractor::Look(const DistractorOptions& options, double seconds) const {
  const auto f = [](double x) { return static_cast<float>(x); };
  SceneLook look;
  if (options.light == "swing") {
    look.floor = f(floor + swing * std::sin(swing_rate * seconds + swing_phase));
  }
  look.recolour = options.background != "none";
  std::transform(floor_colour, floor_colour + 3, look.floor_colour, f);
  if (options.background == "noise") look.patches = static_cast<uint64_t>(patches);
  look.lit = options.light == "per_episode";
  std::transform(keep, keep + 3, look.keep, f);
  std::transform(diffuse, diffuse + 3, look.diffuse, f);
  look.direction[0] = f(-std::cos(elevation) * std::cos(azimuth));
  look.direction[1] = f(-std::cos(elevation) * std::sin(azimuth));
  look.direction[2] = f(-std::sin(elevation));
  look.shifted = options.camera_jitter > 0;
  float* const moves[] = {&look.right, &look.up, &look.roll, &look.pan, &look.tilt};
  for (int k = 0; k < 5; ++k) *moves[k] = f(options.camera_jitter * camera[k]);
  look.num_copies = static_cast<int>(std::max<int64_t>(options.moving, 1)) - 1;
  for (int axis = 0; axis < 2; ++axis) look.moving[axis] = f(first.At(axis, seconds));
  for (int k = 0; k < look.num_copies; ++k) {
    SceneLook::Copy& copy = look.copies[k];
    for (int axis = 0; axis < 2; ++axis) {
      copy.position[axis] = f(others[k].way.At(axis, seconds));
    }
    copy.size = f(others[k].size);
    copy.height = .25f - .05f * static_cast<float>(k);  // below a flat goal, one below the other
    std::transform(others[k].colour, others[k].colour + 3, copy.colour, f);
  }
  return look;
}

int64_t SavedDoubles(const DistractorOptions& options) {
  if (!options.Any()) return 0;
  // What there was before there were other options, so that state files of then can be read.
  const bool classic = options.moving <= 1 && options.light != "per_episode" &&
                       options.background == "none" && options.camera_jitter == 0;
  return (classic ? offsetof(Distractor, others) : sizeof(Distractor)) / sizeof(double);
}

int RequireDistractors(const mjModel* model, const DistractorOptions& options,
                       const std::string& id) {
  const int floor = SceneDresser::FloorOf(model);
  const auto need_floor = [&](const char* key, const std::string& value) {
    if (floor >= 0) return;
    ThrowUser("env.distractors.{}={}: the model of {} has no geom 'floor' (or 'ground')", key,
              value, id);
  };
  if (options.light == "swing") need_floor("light", options.light);
  if (options.background != "none") need_floor("background", options.background);
  if (options.background == "noise" && model->geom_type[floor] != mjGEOM_PLANE) {
    ThrowUser("env.distractors.background=noise: the floor of {} is no plane", id);
  }
  const int lights = model->nlight + (model->vis.headlight.active ? 1 : 0);
  if (options.light == "per_episode" && lights >= kGlLights) {
    ThrowUser(
        "env.distractors.light=per_episode: the model of {} has {} lights, no more than {} are "
        "drawn",
        id, lights, kGlLights);
  }
  if (options.moving == 0) return -1;
  const int body = mj_name2id(model, mjOBJ_BODY, "distractor");
  if (body < 0 || model->body_mocapid[body] < 0) {
    ThrowUser("env.distractors.moving={}: the model of {} has no mocap body 'distractor'",
              options.moving, id);
  }
  return model->body_mocapid[body];
}

}  // namespace v2r
