#include "envs/shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace v2r {
namespace {

constexpr int kScenes = 64;  // drawn together
constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kContrast = 0.35;  // least distance of two colours
constexpr double kHidden = -50;     // height of the shapes that are not drawn

using Vec3 = std::array<double, 3>;

Vec3 RandomColour(Rng& rng) { return {rng.Uniform(), rng.Uniform(), rng.Uniform()}; }

double Distance(const Vec3& a, const Vec3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Vec3 Unit(const Vec3& v) {
  const double length = std::hypot(v[0], v[1], v[2]);
  return {v[0] / length, v[1] / length, v[2] / length};
}

Vec3 Cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// Uniform over rotations (a normalised Gaussian).
void RandomRotation(Rng& rng, mjtNum quat[4]) {
  for (int i = 0; i < 4; ++i) quat[i] = rng.Normal();
  mju_normalize4(quat);
}

// A camera at `from` that looks at `to`, rolled around its axis; it looks along its -z.
void LookAt(const Vec3& from, const Vec3& to, double roll, mjtNum quat[4]) {
  const Vec3 z = Unit({from[0] - to[0], from[1] - to[1], from[2] - to[2]});
  const Vec3 x = Unit(Cross({0, 0, 1}, z)), y = Cross(z, x);
  const mjtNum matrix[9] = {x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]};
  mjtNum level[4];
  mju_mat2Quat(level, matrix);
  const mjtNum axis[3] = {0, 0, 1};
  mjtNum around[4];
  mju_axisAngle2Quat(around, axis, roll);
  mju_mulQuat(quat, level, around);
}

}  // namespace

const std::vector<std::string>& ShapeNames() {
  static const std::vector<std::string> names = {"box",       "sphere",  "capsule", "cylinder",
                                                 "ellipsoid", "cone",    "pyramid", "torus",
                                                 "cross",     "dumbbell"};
  return names;
}

ShapeRenderer::ShapeRenderer(int size, int threads, uint64_t seed, int64_t views)
    : size_(size),
      views_(views),
      rng_(Rng(seed).Fork("shapes")),
      model_(LoadModel(OwnModel("shapes.xml"))) {
  for (const std::string& name : ShapeNames()) {
    bodies_.push_back(RequireId(model_.get(), mjOBJ_BODY, name.c_str()));
  }
  for (const char* name : {"floor", "wall_x", "wall_y", "wall_u", "wall_v"}) {
    room_.push_back(RequireId(model_.get(), mjOBJ_GEOM, name));
  }
  eye_ = RequireId(model_.get(), mjOBJ_CAMERA, "eye");
  sun_ = RequireId(model_.get(), mjOBJ_LIGHT, "sun");
  RendererOptions options;
  options.threads = threads;
  options.height = options.width = size;
  options.supersample = 2;
  options.camera = "eye";
  renderer_ = std::make_unique<Renderer>(model_.get(), options);
  for (int i = 0; i < kScenes; ++i) {
    scenes_.push_back({ModelPtr(mj_copyModel(nullptr, model_.get())), DataPtr(nullptr)});
    scenes_.back().data.reset(mj_makeData(scenes_.back().model.get()));
  }
}

void ShapeRenderer::Arrange(Scene& scene, int64_t index) const {
  Rng rng = rng_.Fork("picture", static_cast<uint64_t>(index));
  mjModel& m = *scene.model;
  mjData& d = *scene.data;
  const int shown = bodies_[ClassOf(index)];
  for (const int body : bodies_) {
    mjtNum* place = d.mocap_pos + 3 * m.body_mocapid[body];
    for (int axis = 0; axis < 3; ++axis) {
      place[axis] = body == shown ? rng.Uniform(-0.12, 0.12) : axis == 2 ? kHidden : 0;
    }
  }
  RandomRotation(rng, d.mocap_quat + 4 * m.body_mocapid[shown]);

  Rng paint = rng_.Fork("thing", static_cast<uint64_t>(ThingOf(index)));
  const Vec3 colour = RandomColour(paint);
  for (const int geom : room_) {
    Vec3 other = RandomColour(rng);
    while (Distance(other, colour) < kContrast) other = RandomColour(rng);
    std::copy(other.begin(), other.end(), m.geom_rgba + 4 * geom);
  }
  for (int k = 0; k < m.body_geomnum[shown]; ++k) {
    std::copy(colour.begin(), colour.end(), m.geom_rgba + 4 * (m.body_geomadr[shown] + k));
  }

  const double light_turn = rng.Uniform(0, kTurn), light_height = rng.Uniform(0.4, 1.4);
  m.light_dir[3 * sun_] = -std::cos(light_turn) * std::cos(light_height);
  m.light_dir[3 * sun_ + 1] = -std::sin(light_turn) * std::cos(light_height);
  m.light_dir[3 * sun_ + 2] = -std::sin(light_height);
  const double strength = rng.Uniform(0.4, 0.9);
  for (int c = 0; c < 3; ++c) {
    m.light_diffuse[3 * sun_ + c] = static_cast<float>(strength * rng.Uniform(0.75, 1));
  }

  const double turn = rng.Uniform(0, kTurn), height = rng.Uniform(0.05, 0.9);
  const double distance = rng.Uniform(1.5, 2.3);
  const Vec3 from = {distance * std::cos(turn) * std::cos(height),
                     distance * std::sin(turn) * std::cos(height), distance * std::sin(height)};
  std::copy(from.begin(), from.end(), m.cam_pos + 3 * eye_);
  LookAt(from, {0, 0, 0}, rng.Uniform(-0.3, 0.3), m.cam_quat + 4 * eye_);
  mj_kinematics(&m, &d);
  mj_comPos(&m, &d);
  mj_camlight(&m, &d);
}

void ShapeRenderer::Draw(int64_t first, int64_t count, uint8_t* out) {
  const size_t bytes = static_cast<size_t>(size_) * size_ * 3;
  for (int64_t done = 0; done < count; done += kScenes) {
    const int64_t now = std::min<int64_t>(kScenes, count - done);
    std::vector<DrawRequest> pictures(now);
    for (int64_t i = 0; i < now; ++i) {
      Arrange(scenes_[i], first + done + i);
      pictures[i].data = scenes_[i].data.get();
      pictures[i].model = scenes_[i].model.get();
      pictures[i].out = out + static_cast<size_t>(done + i) * bytes;
    }
    renderer_->Draw(pictures);
  }
}

}  // namespace v2r
