// What a picture shows other than the state: changes to MuJoCo's abstract scene, made after
// mjv_updateScene, so that models and data stay as they are.
#pragma once

#include <mujoco/mujoco.h>

#include <cstdint>

namespace v2r {

// Plain numbers; the defaults change nothing. Colours are RGB in [0, 1].
struct SceneLook {
  float floor = 1;  // factor on the colour of the floor and of its patches

  bool recolour = false;
  float floor_colour[3] = {};
  uint64_t patches = 0;  // seed of flat patches on the floor, 0 = none

  bool lit = false;
  float keep[3] = {1, 1, 1};  // factors on the lights that there are
  float direction[3] = {};    // of one more that comes from far away; unit length
  float diffuse[3] = {};      // its colour

  // The camera is moved sideways and up, in heights of the picture, then turned around its axis and
  // around the point that it looks at, in radians.
  bool shifted = false;
  float right = 0, up = 0, roll = 0, pan = 0, tilt = 0;

  // Copies of the geoms of the body "distractor", which stands at `moving`.
  struct Copy {
    float position[2] = {};  // x and y of the body
    float size = 1;          // factor on its width
    float height = 1;        // factor on its height and on its distance to the plane z = 0
    float colour[3] = {};
  };
  static constexpr int kMaxCopies = 3;
  int num_copies = 0;
  float moving[2] = {};
  Copy copies[kMaxCopies];
};

// Writes looks into scenes of one model. Thread-safe.
class SceneDresser {
 public:
  explicit SceneDresser(const mjModel* model);
  // `scene`: just filled by mjv_updateScene, with room for patches and copies (some 40 geoms).
  void Dress(const SceneLook& look, mjvScene& scene) const;

  // The geom named "floor", or "ground" where there is none; -1 without either.
  static int FloorOf(const mjModel* model);

 private:
  void DressFloor(const SceneLook& look, mjvScene& scene) const;
  void AddPatches(const SceneLook& look, const mjvGeom& floor, mjvScene& scene) const;
  void AddCopies(const SceneLook& look, mjvScene& scene) const;
  void Light(const SceneLook& look, mjvScene& scene) const;
  void MoveCamera(const SceneLook& look, mjvScene& scene) const;

  int floor_ = -1;
  int first_geom_ = 0, num_geoms_ = 0;  // of the body "distractor"
  double centre_[3] = {}, extent_ = 1;  // the model's
};

}  // namespace v2r
