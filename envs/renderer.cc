#include "envs/renderer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "envs/gl_context.h"
#include "envs/tessellation.h"

namespace v2r {
namespace {

// Means of S x S blocks, rounded to nearest, rows from bottom-up to top-down. in: [S*h, S*w, 3];
// sums: [S*w*3] of scratch.
template <int S>
void ShrinkFlipped(const uint8_t* in, int h, int w, uint16_t* sums, uint8_t* out) {
  const int stride = S * w * 3;
  for (int y = 0; y < h; ++y) {
    const uint8_t* block = in + static_cast<size_t>(h - 1 - y) * S * stride;
    for (int x = 0; x < stride; ++x) {
      int sum = 0;
      for (int k = 0; k < S; ++k) sum += block[k * stride + x];
      sums[x] = static_cast<uint16_t>(sum);
    }
    for (int x = 0; x < w; ++x) {
      for (int c = 0; c < 3; ++c) {
        int sum = S * S / 2;
        for (int k = 0; k < S; ++k) sum += sums[(x * S + k) * 3 + c];
        *out++ = static_cast<uint8_t>(sum / (S * S));
      }
    }
  }
}

// Id of a camera or body that `key` names; UserError with the names there are.
int Find(const mjModel* model, mjtObj type, const std::string& name, const char* key) {
  const int id = mj_name2id(model, type, name.c_str());
  if (id >= 0) return id;
  std::vector<std::string> names;
  for (int i = 0; i < (type == mjOBJ_CAMERA ? model->ncam : model->nbody); ++i) {
    const char* other = mj_id2name(model, type, i);
    if (other != nullptr && *other != '\0') names.emplace_back(other);
  }
  ThrowUser("{}: the model has no {} '{}'{} (it has: {})", key, mju_type2Str(type), name,
            DidYouMean(name, names), names.empty() ? "none with a name" : Join(names, ", "));
}

// UserError where a key would say nothing in this type of view.
void CheckView(const ViewOptions& view) {
  const ViewOptions plain;
  const bool fixed = view.type == "fixed", track = view.type == "track";
  const auto refuse = [&](bool set, const char* key) {
    if (set) ThrowUser("env.view.{} says nothing with env.view.type={}", key, view.type);
  };
  refuse(fixed && view.distance != plain.distance, "distance");
  refuse(fixed && view.azimuth != plain.azimuth, "azimuth");
  refuse(fixed && view.elevation != plain.elevation, "elevation");
  refuse((fixed || track) && !view.lookat.empty(), "lookat");
  refuse(!track && !view.track_body.empty(), "track_body");
  if (track && view.track_body.empty()) ThrowUser("env.view.track_body: name the body to track");
  if (!view.lookat.empty() && view.lookat.size() != 3) {
    ThrowUser("env.view.lookat: {} numbers, a point has 3", view.lookat.size());
  }
}

}  // namespace

// A GL context with MuJoCo's resources in it and a scene, all of one thread.
class RenderWorker : public Worker {
 public:
  RenderWorker(std::shared_ptr<Renderer::Job> job, int index) : job_(std::move(job)) {
    const RendererOptions& o = job_->options;
    const mjModel* model = job_->model.get();
    mjv_defaultScene(&scene_);
    mjr_defaultContext(&context_);
    mjv_defaultOption(&visible_);
    mjv_defaultFreeCamera(model, &camera_);
    if (job_->camera >= 0) {
      camera_.type = mjCAMERA_FIXED;
      camera_.fixedcamid = job_->camera;
    }
    if (o.view.type != "fixed") LookAt(o.view);
    if (o.extra_group >= 0) visible_.geomgroup[o.extra_group] = 1;
    // A tendon is drawn as many pieces.
    mjv_makeScene(model, &scene_, static_cast<int>(model->ngeom + model->nsite) + 1000);
    for (int flag : {mjRND_SKYBOX, mjRND_FOG, mjRND_HAZE}) scene_.flags[flag] = 0;
    scene_.flags[mjRND_SHADOW] = o.shadow;
    scene_.flags[mjRND_REFLECTION] = o.reflection;
    mjr_makeContext(model, &context_, mjFONTSCALE_50);
    mjr_setBuffer(mjFB_OFFSCREEN, &context_);
    if (context_.currentBuffer != mjFB_OFFSCREEN || context_.offWidth < o.width * o.supersample ||
        context_.offHeight < o.height * o.supersample) {
      throw Error(fmt::format("{} gives no {} x {} framebuffer", gl_.renderer(),
                              o.width * o.supersample, o.height * o.supersample));
    }
    CheckGl("making a framebuffer");
    if (index == 0 && context_.offSamples != o.samples) {
      LogWarn("env.samples={}: {} gives {}", o.samples, gl_.renderer(), context_.offSamples);
    }
    pixels_.resize(static_cast<size_t>(context_.offWidth) * context_.offHeight * 3);
    sums_.resize(static_cast<size_t>(context_.offWidth) * 3);
    if (index == 0) job_->gl_renderer = gl_.renderer();
  }
  ~RenderWorker() override {
    mjr_freeContext(&context_);
    mjv_freeScene(&scene_);
  }

  void Do(int64_t item, const std::atomic<bool>& abandoned) override {
    Paint(item, abandoned);
    if (!abandoned) CheckGl("drawing a picture");
  }

 private:
  void CheckGl(const char* doing) const {
    if (const int error = mjr_getError(); error != 0) {
      throw Error(fmt::format("{}: GL error {:#x} {}", gl_.renderer(), error, doing));
    }
  }
  void Paint(int64_t item, const std::atomic<bool>& abandoned) {
    const RendererOptions& o = job_->options;
    const Picture picture = job_->pictures[item];
    const mjModel* model = picture.model != nullptr ? picture.model : job_->model.get();
    mjv_updateScene(model, picture.data, &visible_, nullptr, &camera_, mjCAT_ALL, &scene_);
    if (picture.floor != 1) ShadeFloor(picture.floor);
    const mjrRect view{0, 0, o.width * o.supersample, o.height * o.supersample};
    mjr_render(view, &scene_, &context_);
    mjr_readPixels(pixels_.data(), nullptr, view, &context_);
    if (abandoned) return;
    switch (o.supersample) {
      case 2:
        return ShrinkFlipped<2>(pixels_.data(), o.height, o.width, sums_.data(), picture.out);
      case 3:
        return ShrinkFlipped<3>(pixels_.data(), o.height, o.width, sums_.data(), picture.out);
      case 4:
        return ShrinkFlipped<4>(pixels_.data(), o.height, o.width, sums_.data(), picture.out);
    }
    const size_t row = static_cast<size_t>(o.width) * 3;
    for (int y = 0; y < o.height; ++y) {
      std::memcpy(picture.out + y * row, pixels_.data() + (o.height - 1 - y) * row, row);
    }
  }

  void LookAt(const ViewOptions& view) {
    camera_.type = job_->track_body >= 0 ? mjCAMERA_TRACKING : mjCAMERA_FREE;
    camera_.trackbodyid = job_->track_body;
    if (view.distance > 0) camera_.distance = view.distance;
    camera_.azimuth = view.azimuth;
    camera_.elevation = view.elevation;
    std::copy(view.lookat.begin(), view.lookat.end(), camera_.lookat);
  }
  void ShadeFloor(float factor) {
    for (int i = 0; i < scene_.ngeom; ++i) {
      mjvGeom& geom = scene_.geoms[i];
      if (geom.objtype != mjOBJ_GEOM || geom.objid != job_->floor) continue;
      for (int c = 0; c < 3; ++c) geom.rgba[c] = std::min(1.f, geom.rgba[c] * factor);
    }
  }

  std::shared_ptr<Renderer::Job> job_;
  GlContext gl_;  // before what lives in it
  mjrContext context_;
  mjvScene scene_;
  mjvOption visible_;
  mjvCamera camera_;
  std::vector<uint8_t> pixels_;  // bottom row first
  std::vector<uint16_t> sums_;   // one row of blocks
};

Renderer::Renderer(const mjModel* model, const RendererOptions& options)
    : job_(std::make_shared<Job>()) {
  job_->options = options;
  job_->model.reset(mj_copyModel(nullptr, model));
  job_->model->vis.global.offwidth = options.width * options.supersample;
  job_->model->vis.global.offheight = options.height * options.supersample;
  job_->model->vis.quality.offsamples = options.samples;
  Tessellate(*job_->model, options.detail_size > 0 ? options.detail_size
                                                   : std::max(options.height, options.width));
  CheckView(options.view);
  if (options.view.type == "track") {
    job_->track_body = Find(model, mjOBJ_BODY, options.view.track_body, "env.view.track_body");
  } else if (options.view.type == "fixed" && !options.camera.empty()) {
    job_->camera = Find(model, mjOBJ_CAMERA, options.camera, "env.camera");
  }
  job_->floor = mj_name2id(model, mjOBJ_GEOM, "floor");
  InstallMujocoLog();
  pool_ = std::make_unique<WorkerPool>(
      options.threads, "render threads (env.render_threads)", options.patience,
      [job = job_](int index) { return std::make_unique<RenderWorker>(job, index); });
}

void Renderer::Draw(std::span<const Picture> pictures) {
  job_->pictures = pictures;
  pool_->Run(static_cast<int64_t>(pictures.size()));
}

}  // namespace v2r
