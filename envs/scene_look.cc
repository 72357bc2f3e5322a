#include "envs/scene_look.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/rng.h"
#include "envs/distractor.h"

namespace v2r {
namespace {

constexpr int kPatches = 24;

// Rodrigues' formula; axis of unit length.
void Turn(const float axis[3], double angle, float v[3]) {
  const double c = std::cos(angle), s = std::sin(angle);
  const double dot = axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2];
  const double cross[3] = {axis[1] * v[2] - axis[2] * v[1], axis[2] * v[0] - axis[0] * v[2],
                           axis[0] * v[1] - axis[1] * v[0]};
  for (int k = 0; k < 3; ++k) {
    v[k] = static_cast<float>(c * v[k] + s * cross[k] + (1 - c) * dot * axis[k]);
  }
}

bool IsGeom(const mjvGeom& geom, int first, int count) {
  return geom.objtype == mjOBJ_GEOM && geom.objid >= first && geom.objid < first + count;
}

}  // namespace

int SceneDresser::FloorOf(const mjModel* model) {
  const int floor = mj_name2id(model, mjOBJ_GEOM, "floor");
  return floor >= 0 ? floor : mj_name2id(model, mjOBJ_GEOM, "ground");
}

SceneDresser::SceneDresser(const mjModel* model)
    : floor_(FloorOf(model)), extent_(model->stat.extent) {
  const int body = mj_name2id(model, mjOBJ_BODY, "distractor");
  if (body >= 0) {
    first_geom_ = model->body_geomadr[body];
    num_geoms_ = model->body_geomnum[body];
  }
  std::copy_n(model->stat.center, 3, centre_);
}

void SceneDresser::Dress(const SceneLook& look, mjvScene& scene) const {
  if (look.num_copies > 0) AddCopies(look, scene);
  if (look.floor != 1 || look.recolour || look.patches != 0) DressFloor(look, scene);
  if (look.lit) Light(look, scene);
  if (look.shifted) MoveCamera(look, scene);
}

void SceneDresser::DressFloor(const SceneLook& look, mjvScene& scene) const {
  for (int i = 0; i < scene.ngeom; ++i) {
    mjvGeom& geom = scene.geoms[i];
    if (!IsGeom(geom, floor_, 1)) continue;
    if (look.recolour) std::copy_n(look.floor_colour, 3, geom.rgba);
    for (int c = 0; c < 3; ++c) geom.rgba[c] = std::min(1.f, geom.rgba[c] * look.floor);
    if (look.patches != 0) AddPatches(look, geom, scene);
    return;
  }
}

// Boxes flatter than anything else that lies on the floor, around the point of it that is nearest
// to the model's centre and within its edges.
void SceneDresser::AddPatches(const SceneLook& look, const mjvGeom& floor, mjvScene& scene) const {
  Rng rng(look.patches);
  const float* m = floor.mat;  // rows; the columns are along it, across it and normal to it
  double middle[2] = {0, 0};
  for (int k = 0; k < 3; ++k) {
    for (int axis : {0, 1}) middle[axis] += m[3 * k + axis] * (centre_[k] - floor.pos[k]);
  }
  const auto palette = FloorPalette();
  for (int p = 0; p < kPatches && scene.ngeom < scene.maxgeom; ++p) {
    double at[2] = {middle[0] + rng.Uniform(-extent_, extent_), 0};
    at[1] = middle[1] + rng.Uniform(-extent_, extent_);
    const double a = rng.Uniform(0, std::numbers::pi);
    const double top = extent_ * (0.0006 + 0.0014 * p / kPatches);
    mjtNum size[3] = {extent_ * rng.Uniform(0.08, 0.3), 0, top};
    size[1] = extent_ * rng.Uniform(0.08, 0.3);
    const double radius = std::hypot(size[0], size[1]);
    for (int axis : {0, 1}) {
      const double reach = std::max(0.0, floor.size[axis] - radius);
      if (floor.size[axis] > 0) at[axis] = std::clamp(at[axis], -reach, reach);
    }
    mjtNum pos[3], mat[9];
    for (int k = 0; k < 3; ++k) {
      const double u = m[3 * k], v = m[3 * k + 1];
      pos[k] = floor.pos[k] + at[0] * u + at[1] * v;
      mat[3 * k] = std::cos(a) * u + std::sin(a) * v;
      mat[3 * k + 1] = -std::sin(a) * u + std::cos(a) * v;
      mat[3 * k + 2] = m[3 * k + 2];
    }
    const auto& colour = palette[rng.Below(palette.size())];
    float rgba[4] = {0, 0, 0, 1};
    for (int c = 0; c < 3; ++c) rgba[c] = std::min(1.f, colour[c] * look.floor);
    mjvGeom& patch = scene.geoms[scene.ngeom++];
    mjv_initGeom(&patch, mjGEOM_BOX, size, pos, mat, rgba);
    patch.category = mjCAT_STATIC;
    patch.objtype = mjOBJ_GEOM;  // a part of the floor
    patch.objid = floor.objid;
    patch.segid = floor.segid;
  }
}

void SceneDresser::AddCopies(const SceneLook& look, mjvScene& scene) const {
  const int count = scene.ngeom;
  for (int i = 0; i < count; ++i) {
    if (!IsGeom(scene.geoms[i], first_geom_, num_geoms_)) continue;
    for (int k = 0; k < look.num_copies && scene.ngeom < scene.maxgeom; ++k) {
      const SceneLook::Copy& from = look.copies[k];
      mjvGeom& geom = scene.geoms[scene.ngeom++];
      geom = scene.geoms[i];
      for (int axis = 0; axis < 2; ++axis) {
        geom.pos[axis] = from.position[axis] + from.size * (geom.pos[axis] - look.moving[axis]);
        geom.size[axis] *= from.size;
      }
      geom.pos[2] *= from.height;
      geom.size[2] *= from.height;
      std::copy_n(from.colour, 3, geom.rgba);
    }
  }
}

void SceneDresser::Light(const SceneLook& look, mjvScene& scene) const {
  for (int i = 0; i < scene.nlight; ++i) {
    mjvLight& light = scene.lights[i];
    for (int c = 0; c < 3; ++c) {
      light.ambient[c] *= look.keep[c];
      light.diffuse[c] *= look.keep[c];
      light.specular[c] *= look.keep[c];
    }
  }
  mjvLight& light = scene.lights[scene.nlight++];
  light = mjvLight();
  light.id = light.texid = -1;
  light.type = mjLIGHT_DIRECTIONAL;
  light.attenuation[0] = 1;
  light.cutoff = 180;
  light.castshadow = 1;
  light.bulbradius = 0.02f;
  light.range = static_cast<float>(10 * extent_);
  for (int k = 0; k < 3; ++k) {
    light.dir[k] = look.direction[k];
    light.pos[k] = static_cast<float>(centre_[k] - 3 * extent_ * look.direction[k]);
    light.diffuse[k] = look.diffuse[k];
  }
}

void SceneDresser::MoveCamera(const SceneLook& look, mjvScene& scene) const {
  const mjvGLCamera middle = mjv_averageCamera(&scene.camera[0], &scene.camera[1]);
  const float *f = middle.forward, *u = middle.up;
  const float right[3] = {f[1] * u[2] - f[2] * u[1], f[2] * u[0] - f[0] * u[2],
                          f[0] * u[1] - f[1] * u[0]};
  double distance = 0;
  for (int k = 0; k < 3; ++k) distance += f[k] * (centre_[k] - middle.pos[k]);
  distance = std::clamp(distance, 0.2 * extent_, 5 * extent_);
  double height = middle.frustum_top - middle.frustum_bottom;
  if (!middle.orthographic) height *= distance / middle.frustum_near;
  for (mjvGLCamera& eye : scene.camera) {
    float offset[3];  // from the point looked at
    for (int k = 0; k < 3; ++k) {
      offset[k] = static_cast<float>(eye.pos[k] - middle.pos[k] - distance * f[k]);
    }
    for (float* v : {offset, eye.forward, eye.up}) {
      Turn(f, look.roll, v);
      Turn(u, look.pan, v);
      Turn(right, look.tilt, v);
    }
    for (int k = 0; k < 3; ++k) {
      eye.pos[k] = static_cast<float>(middle.pos[k] + distance * f[k] + offset[k] +
                                      height * (look.right * right[k] + look.up * u[k]));
    }
  }
}

}  // namespace v2r
