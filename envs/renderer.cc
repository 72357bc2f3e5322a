#include "envs/renderer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
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
int Find(const mjModel* model, mjtObj type, const std::string& name, const std::string& key) {
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

// UserError where a key of the section `at` would say nothing in this type of view.
void CheckView(const ViewOptions& view, const std::string& at) {
  const ViewOptions plain;
  const bool fixed = view.type == "fixed", track = view.type == "track";
  const auto refuse = [&](bool set, const char* key) {
    if (set) ThrowUser("{}.{} says nothing with {}.type={}", at, key, at, view.type);
  };
  refuse(fixed && view.distance != plain.distance, "distance");
  refuse(fixed && view.azimuth != plain.azimuth, "azimuth");
  refuse(fixed && view.elevation != plain.elevation, "elevation");
  refuse((fixed || track) && !view.lookat.empty(), "lookat");
  refuse(!track && !view.track_body.empty(), "track_body");
  if (track && view.track_body.empty()) ThrowUser("{}.track_body: name the body to track", at);
  if (!view.lookat.empty() && view.lookat.size() != 3) {
    ThrowUser("{}.lookat: {} numbers, a point has 3", at, view.lookat.size());
  }
}

// BatchView's depth of one row of the depth buffer.
void LinearDepth(const float* buffer, int count, const mjvGLCamera& camera, float* out) {
  const double near = camera.frustum_near, far = camera.frustum_far, length = far - near;
  for (int x = 0; x < count; ++x) {
    const double d = buffer[x];
    out[x] = static_cast<float>(camera.orthographic ? far - d * length
                                                    : near * far / (near + d * length));
  }
}

// The camera that a view or a name asks for, as MuJoCo has it.
mjvCamera CameraOf(const mjModel* model, int id, int track_body, const ViewOptions& view) {
  mjvCamera camera;
  mjv_defaultFreeCamera(model, &camera);
  if (id >= 0) {
    camera.type = mjCAMERA_FIXED;
    camera.fixedcamid = id;
  }
  if (view.type == "fixed") return camera;
  camera.type = track_body >= 0 ? mjCAMERA_TRACKING : mjCAMERA_FREE;
  camera.trackbodyid = track_body;
  if (view.distance > 0) camera.distance = view.distance;
  camera.azimuth = view.azimuth;
  camera.elevation = view.elevation;
  std::copy(view.lookat.begin(), view.lookat.end(), camera.lookat);
  return camera;
}

// One thread at a time makes or frees a context: MuJoCo loads OpenGL's functions into globals each
// time, and drivers are least tested there. A thread that hangs in it is not waited for for ever.
class Turn {
 public:
  explicit Turn(double patience) : patience_(patience) { Take(); }
  ~Turn() { Give(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  void Take() {
    std::unique_lock lock(mutex_);
    has_ = free_.wait_for(lock, std::chrono::duration<double>(patience_), [] { return !taken_; });
    if (has_) taken_ = true;
  }
  void Give() {
    if (!has_) return;
    const std::lock_guard lock(mutex_);
    has_ = taken_ = false;
    free_.notify_one();
  }

 private:
  static inline std::mutex mutex_;
  static inline std::condition_variable free_;
  static inline bool taken_ = false;
  double patience_;
  bool has_ = false;
};

}  // namespace

// A GL context with MuJoCo's resources in it and a scene, all of one thread.
class RenderWorker : public Worker {
 public:
  RenderWorker(std::shared_ptr<Renderer::Job> job, int index)
      : job_(std::move(job)), turn_(job_->options.patience) {
    const RendererOptions& o = job_->options;
    const mjModel* model = job_->model.get();
    mjv_defaultScene(&scene_);
    mjr_defaultContext(&context_);
    mjv_defaultOption(&visible_);
    mjr_defaultContext(&sharp_context_);
    for (const Renderer::Camera& c : job_->cameras) {
      cameras_.push_back(CameraOf(model, c.id, c.track_body, c.view));
    }
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
    if (o.modalities) MakeSharp();
    pixels_.resize(static_cast<size_t>(context_.offWidth) * context_.offHeight * 3);
    sums_.resize(static_cast<size_t>(context_.offWidth) * 3);
    if (index == 0) job_->gl_renderer = gl_.renderer();
    DrawOnce();
    turn_.Give();
  }
  ~RenderWorker() override {
    turn_.Take();
    mjr_freeContext(&context_);
    if (own_sharp_) mjr_freeContext(&sharp_context_);
    mjv_freeScene(&scene_);
  }

  void Do(int64_t item, const std::atomic<bool>& abandoned) override {
    Paint(job_->pictures[item], abandoned);
    if (!abandoned) CheckGl("drawing a picture");
  }

 private:
  void CheckGl(const char* doing) const {
    if (const int error = mjr_getError(); error != 0) {
      throw Error(fmt::format("{}: GL error {:#x} {}", gl_.renderer(), error, doing));
    }
  }
  // The driver compiles what it needs while no other thread does.
  void DrawOnce() {
    const mjModel* model = job_->model.get();
    const DataPtr data(mj_makeData(model));
    mj_kinematics(model, data.get());
    mj_comPos(model, data.get());
    mj_camlight(model, data.get());
    std::vector<uint8_t> out(static_cast<size_t>(job_->options.height) * job_->options.width * 3);
    const std::atomic<bool> never{false};
    Paint({data.get(), out.data()}, never);
    CheckGl("drawing the first picture");
  }
  void Paint(const DrawRequest& picture, const std::atomic<bool>& abandoned) {
    const RendererOptions& o = job_->options;
    const mjModel* model = picture.model != nullptr ? picture.model : job_->model.get();
    const size_t cameras = picture.stride > 0 ? cameras_.size() : 1;
    for (size_t c = 0; c < cameras; ++c) {
      mjv_updateScene(model, picture.data, &visible_, nullptr, &cameras_[c], mjCAT_ALL, &scene_);
      if (picture.look != nullptr) job_->dresser->Dress(*picture.look, scene_);
      const mjrRect view{0, 0, o.width * o.supersample, o.height * o.supersample};
      if (own_sharp_) mjr_restoreBuffer(&context_);
      mjr_render(view, &scene_, &context_);
      mjr_readPixels(pixels_.data(), nullptr, view, &context_);
      if (abandoned) return;
      PutColours(picture.out + c * picture.stride * 3);
      if (picture.depth == nullptr && picture.segmentation == nullptr) continue;
      DrawObjects(picture.depth != nullptr, picture.segmentation != nullptr);
      if (abandoned) return;
      if (picture.depth != nullptr) PutDepth(picture.depth + c * picture.stride);
      if (picture.segmentation != nullptr) {
        PutSegmentation(picture.segmentation + c * picture.stride * 2);
      }
    }
  }

  void PutColours(uint8_t* out) {
    const RendererOptions& o = job_->options;
    switch (o.supersample) {
      case 2:
        return ShrinkFlipped<2>(pixels_.data(), o.height, o.width, sums_.data(), out);
      case 3:
        return ShrinkFlipped<3>(pixels_.data(), o.height, o.width, sums_.data(), out);
      case 4:
        return ShrinkFlipped<4>(pixels_.data(), o.height, o.width, sums_.data(), out);
    }
    const size_t row = static_cast<size_t>(o.width) * 3;
    for (int y = 0; y < o.height; ++y) {
      std::memcpy(out + y * row, pixels_.data() + (o.height - 1 - y) * row, row);
    }
  }

  // What depth and segmentation are drawn with: multisampling would mix the ids of neighbours, so
  // beside a context that does it there is one that does not.
  void MakeSharp() {
    const RendererOptions& o = job_->options;
    depth_.resize(static_cast<size_t>(o.width) * o.height);
    objects_.resize(scene_.maxgeom + 1);
    own_sharp_ = context_.offSamples > 0;
    if (own_sharp_) {
      mjModel model = *job_->model;  // its arrays are those of the other
      model.vis.quality.offsamples = 0;
      model.vis.global.offwidth = o.width;
      model.vis.global.offheight = o.height;
      mjr_makeContext(&model, &sharp_context_, mjFONTSCALE_50);
      mjr_setBuffer(mjFB_OFFSCREEN, &sharp_context_);
      if (sharp_context_.currentBuffer != mjFB_OFFSCREEN || sharp_context_.offSamples != 0) {
        throw Error(fmt::format("{} gives no framebuffer without multisampling", gl_.renderer()));
      }
    }
    (own_sharp_ ? sharp_context_ : context_).readDepthMap = mjDEPTH_ZEROFAR;
  }
  // The scene in the colours of its ids: depth into depth_, ids into pixels_.
  void DrawObjects(bool depth, bool ids) {
    const RendererOptions& o = job_->options;
    mjrContext& context = own_sharp_ ? sharp_context_ : context_;
    const mjrRect view{0, 0, o.width, o.height};
    const std::array<mjtByte, mjNRNDFLAG> flags = std::to_array(scene_.flags);
    for (int flag : {mjRND_SHADOW, mjRND_REFLECTION}) scene_.flags[flag] = 0;
    for (int flag : {mjRND_SEGMENT, mjRND_IDCOLOR}) scene_.flags[flag] = 1;
    if (own_sharp_) mjr_restoreBuffer(&context);
    mjr_render(view, &scene_, &context);
    mjr_readPixels(ids ? pixels_.data() : nullptr, depth ? depth_.data() : nullptr, view, &context);
    std::copy(flags.begin(), flags.end(), scene_.flags);
  }
  void PutDepth(float* out) {
    const int h = job_->options.height, w = job_->options.width;
    for (int y = 0; y < h; ++y) {
      LinearDepth(depth_.data() + static_cast<size_t>(h - 1 - y) * w, w, scene_.camera[0],
                  out + static_cast<size_t>(y) * w);
    }
  }
  void PutSegmentation(int32_t* out) {
    const int h = job_->options.height, w = job_->options.width;
    std::fill(objects_.begin(), objects_.end(), std::array<int32_t, 2>{-1, -1});
    for (int i = 0; i < scene_.ngeom; ++i) {
      const mjvGeom& geom = scene_.geoms[i];
      if (geom.segid >= 0) objects_[geom.segid + 1] = {geom.objid, geom.objtype};
    }
    for (int y = 0; y < h; ++y) {
      const uint8_t* id = pixels_.data() + static_cast<size_t>(h - 1 - y) * w * 3;
      for (int x = 0; x < w; ++x, id += 3) {
        const size_t k = id[0] | id[1] << 8 | id[2] << 16;
        V2R_CHECK(k < objects_.size(), "segmentation: id {} of {}", k, objects_.size());
        out = std::copy(objects_[k].begin(), objects_[k].end(), out);
      }
    }
  }

  std::shared_ptr<Renderer::Job> job_;
  Turn turn_;     // around the life of what follows
  GlContext gl_;  // before what lives in it
  mjrContext context_, sharp_context_;
  bool own_sharp_ = false;  // depth and segmentation are drawn in sharp_context_
  mjvScene scene_;
  mjvOption visible_;
  std::vector<mjvCamera> cameras_;
  std::vector<uint8_t> pixels_;                  // bottom row first
  std::vector<uint16_t> sums_;                   // one row of blocks
  std::vector<float> depth_;                     // bottom row first
  std::vector<std::array<int32_t, 2>> objects_;  // id and type by the number in the picture
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
  const auto add = [&](const std::string& name, const ViewOptions& view,
                       const std::string& name_key, const std::string& view_key) {
    CheckView(view, view_key);
    Camera camera{-1, -1, view};
    if (view.type == "track") {
      camera.track_body = Find(model, mjOBJ_BODY, view.track_body, view_key + ".track_body");
    } else if (view.type == "fixed" && !name.empty()) {
      camera.id = Find(model, mjOBJ_CAMERA, name, name_key);
    }
    job_->cameras.push_back(camera);
  };
  add(options.camera, options.view, "env.camera", "env.view");
  for (const ExtraCamera& extra : options.extra_cameras) {
    add(extra.name, extra.view, "env.cameras", "env.views." + extra.name);
  }
  job_->dresser.emplace(model);
  InstallMujocoLog();
  pool_ = std::make_unique<WorkerPool>(
      options.threads, "render threads (env.render_threads)", options.patience,
      [job = job_](int index) { return std::make_unique<RenderWorker>(job, index); });
}

void Renderer::Draw(std::span<const DrawRequest> pictures) {
  job_->pictures = pictures;
  pool_->Run(static_cast<int64_t>(pictures.size()));
}

}  // namespace v2r
