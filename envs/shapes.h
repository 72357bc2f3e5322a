// Pictures of ten kinds of shapes that MuJoCo draws: a labelled set that needs no download.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "envs/physics.h"
#include "envs/renderer.h"

namespace v2r {

// box, sphere, capsule, cylinder, ellipsoid, cone, pyramid, torus, cross, dumbbell: class k is the
// k-th.
const std::vector<std::string>& ShapeNames();

// The shape of each picture lies at a random place near the centre of a room, turned at random
// (uniform over rotations); its colour, those of the room's floor and walls, the light's direction,
// colour and strength and the camera's place, distance and roll are random too. The shape's colour
// differs from the room's. `views` pictures in a row show one thing: shape and colour are the same,
// all else is drawn anew.
class ShapeRenderer {
 public:
  // Pictures of size x size pixels, drawn twice as large and shrunk, on `threads` render threads.
  ShapeRenderer(int size, int threads, uint64_t seed, int64_t views = 1);
  // Pictures first .. first + count - 1 of an endless sequence: out [count,size,size,3] RGB. Picture
  // i shows thing i / views, a thing k class k mod 10; it depends on seed, views and i alone. Error
  // as Renderer::Draw.
  void Draw(int64_t first, int64_t count, uint8_t* out);
  int64_t ThingOf(int64_t index) const { return index / views_; }
  int64_t ClassOf(int64_t index) const {
    return ThingOf(index) % static_cast<int64_t>(ShapeNames().size());
  }

 private:
  struct Scene {
    ModelPtr model;
    DataPtr data;
  };
  void Arrange(Scene& scene, int64_t index) const;

  const int size_;
  const int64_t views_;
  const Rng rng_;
  ModelPtr model_;
  std::vector<int> bodies_;  // by class
  std::vector<int> room_;    // geoms of floor and walls
  int eye_ = -1, sun_ = -1;
  std::unique_ptr<Renderer> renderer_;
  std::vector<Scene> scenes_;
};

}  // namespace v2r
