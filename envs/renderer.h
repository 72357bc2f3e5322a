// Renderer: pictures of MuJoCo simulations by MuJoCo's classic renderer, on threads that keep one
// GL context each for life.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "envs/physics.h"
#include "envs/scene_look.h"
#include "envs/view.h"
#include "envs/worker_pool.h"

namespace v2r {

// A camera besides the main one.
struct ExtraCamera {
  std::string name;    // where the view is fixed, of the model's camera
  ViewOptions view{};  // else the camera itself
};

struct RendererOptions {
  int threads = 1;
  int height = 64, width = 64;
  int samples = 0;             // multisampling, 0 = off
  int supersample = 1;         // draw this many times larger in both directions and shrink by area
  std::string camera = "top";  // of the model; "" = MuJoCo's free camera
  ViewOptions view{};          // replaces `camera` unless it is fixed
  std::vector<ExtraCamera> extra_cameras{};
  bool modalities = false;  // pictures may ask for depth and segmentation
  bool shadow = false, reflection = false;
  int detail_size = 0;   // round shapes are as fine as pictures of this size need, 0 = this one's
  int extra_group = -1;  // geom group drawn besides MuJoCo's default 0, 1, 2
  double patience = 30;  // seconds without a picture after which the driver is said to hang
};

// The pictures of one simulation to draw. `data` has current kinematics and is only read by the one
// thread that draws it (MuJoCo wants it mutable). First rows are on top.
struct DrawRequest {
  mjData* data = nullptr;
  uint8_t* out = nullptr;           // [height, width, 3] RGB
  const SceneLook* look = nullptr;  // null = as the model says
  const mjModel* model = nullptr;   // of this simulation where it has its own, else the Renderer's
  // What BatchView says of both; null = not drawn.
  float* depth = nullptr;           // [height, width]
  int32_t* segmentation = nullptr;  // [height, width, 2]
  // Pixels from a picture of one camera to that of the next, in all three; 0 = the main camera's
  // pictures alone.
  size_t stride = 0;
};

class Renderer {
 public:
  // `model` is copied. UserError: no such camera or body (with the names there are), keys of a view
  // that contradict each other, no EGL (with what to install).
  Renderer(const mjModel* model, const RendererOptions& options);
  // Draws all of them, returns when done. A picture depends on its data and look alone, not on the
  // thread. Error when the driver hangs or fails.
  void Draw(std::span<const DrawRequest> pictures);
  const std::string& gl_renderer() const { return job_->gl_renderer; }

 private:
  friend class RenderWorker;
  // What the threads read; theirs too, because one that hangs in the driver may outlive the
  // Renderer.
  struct Camera {
    int id = -1, track_body = -1;  // of the model
    ViewOptions view;
  };
  struct Job {
    RendererOptions options;
    ModelPtr model;
    std::vector<Camera> cameras;  // the main one first
    std::optional<SceneDresser> dresser;
    std::string gl_renderer;
    std::span<const DrawRequest> pictures;
  };
  std::shared_ptr<Job> job_;
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace v2r
