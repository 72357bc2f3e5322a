// What the distractors of one environment are in an episode. All is drawn per episode and means
// nothing for the task.
#pragma once

#include <array>
#include <span>
#include <string>

#include "core/rng.h"
#include "envs/distractor_options.h"
#include "envs/scene_look.h"

namespace v2r {

// Colours of floors, and of the discs after the first: none is near to one of a part of our tasks.
std::span<const std::array<float, 3>> FloorPalette();
std::span<const std::array<float, 3>> DiscPalette();

// The way of a disc: a Lissajous figure on the floor.
struct Wandering {
  double centre[2] = {0, 0}, reach[2] = {0, 0};  // m
  double rate[2] = {0, 0}, phase[2] = {0, 0};    // rad/s, rad

  void Draw(Rng& rng);
  double At(int axis, double seconds) const;
};

// Doubles throughout: state files hold the first SavedDoubles() of them.
struct Distractor {
  Wandering first;
  // The factor on the floor's colour swings around `floor`.
  double floor = 1, swing = 0, swing_rate = 0, swing_phase = 0;

  struct Other {
    Wandering way;
    double size = 1;  // factor on the first's width
    double colour[3] = {0, 0, 0};
  };
  std::array<Other, SceneLook::kMaxCopies> others;
  double floor_colour[3] = {0, 0, 0};
  double patches = 1;                  // seed, at most 2^32
  double keep[3] = {1, 1, 1};          // factors on the model's own lights
  double azimuth = 0, elevation = 0;   // rad, where the additional light comes from
  double diffuse[3] = {0, 0, 0};       // its colour
  double camera[5] = {0, 0, 0, 0, 0};  // right, up, roll, pan, tilt in units of camera_jitter

  // From streams of their own, forked from the episode's: what one of them is does not depend on
  // which of the options are set. Does not advance `episode`.
  void Draw(const Rng& episode);
  // Writes x and y of the first disc at `seconds` of the episode; position[2] is left as it is.
  void Place(double seconds, double* position) const;
  SceneLook Look(const DistractorOptions& options, double seconds) const;
};

// How many numbers of a Distractor the state of an environment with these options holds.
int64_t SavedDoubles(const DistractorOptions& options);

// Mocap index of the body that moves, -1 where none has to. UserError: the model lacks what an
// option needs: a mocap body "distractor", a geom "floor" (or "ground"; a plane, for patches), a
// place for one more light.
int RequireDistractors(const mjModel* model, const DistractorOptions& options,
                       const std::string& id);

}  // namespace v2r
