#include "envs/renderer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "envs/egl.h"
#include "envs/versions.h"

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

std::vector<std::string> CameraNames(const mjModel* model) {
  std::vector<std::string> names;
  for (int i = 0; i < model->ncam; ++i) {
    const char* name = mj_id2name(model, mjOBJ_CAMERA, i);  // null: one without a name
    if (name != nullptr) names.emplace_back(name);
  }
  return names;
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
    if (o.view && job_->camera < 0) {
      std::copy_n(o.view->lookat, 3, camera_.lookat);
      camera_.distance = o.view->distance;
      camera_.azimuth = o.view->azimuth;
      camera_.elevation = o.view->elevation;
    }
    if (o.extra_group >= 0) visible_.geomgroup[o.extra_group] = 1;
    // A tendon is drawn as many pieces.
    mjv_makeScene(model, &scene_, static_cast<int>(model->ngeom + model->nsite) + 1000);
    for (int flag : {mjRND_SHADOW, mjRND_REFLECTION, mjRND_SKYBOX, mjRND_FOG, mjRND_HAZE}) {
      scene_.flags[flag] = 0;
    }
    mjr_makeContext(model, &context_, mjFONTSCALE_50);
    mjr_setBuffer(mjFB_OFFSCREEN, &context_);
    if (context_.currentBuffer != mjFB_OFFSCREEN || context_.offWidth < o.width * o.supersample ||
        context_.offHeight < o.height * o.supersample) {
      throw Error(fmt::format("{} gives no {} x {} framebuffer", gl_.renderer(),
                              o.width * o.supersample, o.height * o.supersample));
    }
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
    const RendererOptions& o = job_->options;
    const Picture picture = job_->pictures[item];
    const mjModel* model = picture.model != nullptr ? picture.model : job_->model.get();
    mjv_updateScene(model, picture.data, &visible_, nullptr, &camera_, mjCAT_ALL,
                    &scene_);
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

 private:
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
  job_->camera = mj_name2id(model, mjOBJ_CAMERA, options.camera.c_str());
  if (job_->camera < 0 && !options.camera.empty()) {
    const auto names = CameraNames(model);
    ThrowUser("env.camera: the model has no camera '{}'{} (it has: {})", options.camera,
              DidYouMean(options.camera, names), Join(names, ", "));
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

std::string GlRenderer() { return GlContext().renderer(); }

}  // namespace v2r
