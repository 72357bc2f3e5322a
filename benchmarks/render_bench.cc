// Pictures a second: the Renderer against a bare mjr loop with the same scene, camera, faces of
// round shapes, number of threads and LP_NUM_THREADS, both in this run, in turns; what whole
// environment steps with pictures reach; what coarse round shapes save and change; what
// antialiasing costs and gives.
//   render_bench [--part=tasks|sizes|shapes|antialiasing] [--tasks=v2r/] [--threads=2] [--turns=5]
//                [--ms=400]
#include <cmath>
#include <cstdio>
#include <vector>

#include "benchmarks/bench.h"
#include "core/log.h"
#include "core/rng.h"
#include "envs/env.h"
#include "envs/gl_context.h"
#include "envs/make.h"
#include "envs/renderer.h"
#include "envs/tessellation.h"

namespace v2r {
namespace {

constexpr int kEnvs = 32, kSteps = 8;  // steps of an episode one after the other

struct Way {
  int size = 64, samples = 0, supersample = 1, detail_size = 0;
};

// A task's model and states of it: the first kSteps of kEnvs / kSteps episodes of random actions.
struct Scene {
  explicit Scene(const std::string& id) : env(EnvRegistry().Make(id, ConfigNode())) {
    model = LoadModel(env->Spec().model);
    env->Bind(model.get());
    const EnvSpec& spec = env->Spec();
    std::vector<float> obs(spec.obs_dim), action(spec.act_low.size());
    int64_t info_dim = 0;
    for (const InfoField& field : spec.info) info_dim += field.size;
    std::vector<double> info(info_dim);
    double reward = 0;
    uint8_t terminated = 0, truncated = 0, success = 0;
    const EnvRow row{obs, reward, terminated, truncated, success, info};
    const DataPtr data(mj_makeData(model.get()));
    const Sim sim{model.get(), data.get()};
    for (int i = 0; i < kEnvs; ++i) {
      Rng rng = Rng(1).Fork("state", i);
      if (i % kSteps == 0) {
        mj_resetData(model.get(), data.get());
        env->Reset(sim, rng, row);
      } else {
        for (size_t k = 0; k < action.size(); ++k)
          action[k] = static_cast<float>(rng.Uniform(spec.act_low[k], spec.act_high[k]));
        env->Step(sim, action, row);
      }
      DataPtr state(mj_makeData(model.get()));
      mj_copyData(state.get(), model.get(), data.get());
      mj_forward(model.get(), state.get());
      states.push_back(std::move(state));
    }
  }
  RendererOptions Options(int threads, const Way& way) const {
    RendererOptions options{.threads = threads,
                            .height = way.size,
                            .width = way.size,
                            .samples = way.samples,
                            .supersample = way.supersample,
                            .camera = env->Spec().camera,
                            .detail_size = way.detail_size};
    if (options.camera.empty() && env->Spec().view) {
      const FreeView& v = *env->Spec().view;
      options.view = {"free", v.distance, v.azimuth, v.elevation, {v.lookat, v.lookat + 3}, ""};
    }
    return options;
  }
  mjvCamera Camera() const {
    mjvCamera camera;
    mjv_defaultFreeCamera(model.get(), &camera);
    const EnvSpec& spec = env->Spec();
    if (!spec.camera.empty()) {
      camera.type = mjCAMERA_FIXED;
      camera.fixedcamid = mj_name2id(model.get(), mjOBJ_CAMERA, spec.camera.c_str());
    } else if (spec.view) {
      camera.distance = spec.view->distance;
      camera.azimuth = spec.view->azimuth;
      camera.elevation = spec.view->elevation;
      std::copy_n(spec.view->lookat, 3, camera.lookat);
    }
    return camera;
  }

  std::unique_ptr<Env> env;
  ModelPtr model;
  std::vector<DataPtr> states;
};

// The limit: each thread draws and reads back as fast as MuJoCo lets it, nothing else.
Sample BareLoop(const Scene& s, int threads, int size, int samples, double seconds) {
  ModelPtr own(mj_copyModel(nullptr, s.model.get()));
  own->vis.global.offwidth = own->vis.global.offheight = size;
  own->vis.quality.offsamples = samples;
  Tessellate(*own, size);
  return OnThreads(threads, [&](int t, auto begin) {
    GlContext gl;
    mjvScene scene;
    mjv_defaultScene(&scene);
    mjv_makeScene(own.get(), &scene, 1000);
    mjvOption visible;
    mjv_defaultOption(&visible);
    mjvCamera camera = s.Camera();
    mjrContext context;
    mjr_defaultContext(&context);
    mjr_makeContext(own.get(), &context, mjFONTSCALE_50);
    mjr_setBuffer(mjFB_OFFSCREEN, &context);
    for (int flag : {mjRND_SHADOW, mjRND_REFLECTION, mjRND_SKYBOX, mjRND_FOG, mjRND_HAZE})
      scene.flags[flag] = 0;
    std::vector<uint8_t> pixels(static_cast<size_t>(size) * size * 3);
    const int share = static_cast<int>(s.states.size()) / threads;
    const auto draw = [&](int k) {
      mjData* data = s.states[t * share + k % share].get();
      mjv_updateScene(own.get(), data, &visible, nullptr, &camera, mjCAT_ALL, &scene);
      mjr_render({0, 0, size, size}, &scene, &context);
      mjr_readPixels(pixels.data(), nullptr, {0, 0, size, size}, &context);
    };
    for (int k = 0; k < 20; ++k) draw(k);
    begin();
    int count = 0;
    for (const Stopwatch watch; watch.Seconds() < seconds; ++count) draw(count);
    mjr_freeContext(&context);
    mjv_freeScene(&scene);
    return count;
  });
}

// The Renderer on the same states, as often as fits.
struct Ours {
  Ours(const Scene& scene, int threads, const Way& way)
      : renderer(scene.model.get(), scene.Options(threads, way)),
        frames(scene.states.size() * way.size * way.size * 3) {
    const size_t bytes = static_cast<size_t>(way.size) * way.size * 3;
    for (size_t i = 0; i < scene.states.size(); ++i) {
      pictures.push_back({scene.states[i].get(), frames.data() + i * bytes});
    }
    renderer.Draw(pictures);
  }
  Sample Run(double seconds) {
    return Repeat(seconds, [&] {
      renderer.Draw(pictures);
      return pictures.size();
    });
  }
  Renderer renderer;
  std::vector<uint8_t> frames;
  std::vector<DrawRequest> pictures;
};

Sample EnvSteps(VectorEnv& env, Rng& rng, double seconds) {
  std::vector<float> actions(kEnvs * env.Spec().act_dim);
  return Repeat(seconds, [&] {
    for (float& a : actions) a = static_cast<float>(rng.Uniform(-1, 1));
    env.Step(actions);
    return kEnvs;
  });
}

struct Run {
  int threads, turns;
  double seconds;
};

void Ratios(const Scene& scene, const std::string& what, const Way& way, const Run& run) {
  Ours ours(scene, run.threads, way);
  const auto r = InTurns(
      run.turns, [&] { return BareLoop(scene, run.threads, way.size, way.samples, run.seconds); },
      [&] { return ours.Run(run.seconds); });
  std::printf("%-26s %9.0f (%6.1f) %9.0f (%6.1f) %7.2f %7.2f", what.c_str(), r[0].per_second,
              r[0].cpu_us, r[1].per_second, r[1].cpu_us, r[1].per_second / r[0].per_second,
              r[0].cpu_us / r[1].cpu_us);
}

void PrintHead(const char* first) {
  std::printf("%-26s %18s %18s %7s %7s", first, "bare mjr loop", "Renderer", "ratio", "cpu");
}

void Tasks(const std::vector<std::string>& ids, const Run& run) {
  std::printf("\n64 px, and whole environment steps with pictures, %d envs\n", kEnvs);
  PrintHead("task");
  std::printf(" %18s\n", "steps");
  for (const std::string& id : ids) {
    Ratios(Scene(id), id, {}, run);
    EnvOptions options;
    options.id = id;
    options.num_envs = kEnvs;
    options.env_threads = options.render_threads = run.threads;
    const auto env = MakeVectorEnv(options);
    env->Reset(1);
    Rng rng(2);
    const auto r = InTurns(run.turns, [&] { return EnvSteps(*env, rng, run.seconds); });
    std::printf(" %9.0f (%6.1f)\n", r[0].per_second, r[0].cpu_us);
    std::fflush(stdout);
  }
}

void Sizes(const Run& run) {
  const Scene scene("v2r/reach");
  PrintHead("\nv2r/reach");
  std::printf("\n");
  for (const auto& [size, samples] :
       {std::pair{64, 0}, {64, 4}, {84, 0}, {128, 0}, {128, 4}, {224, 0}}) {
    Ratios(scene, fmt::format("{} px, {} samples", size, samples), {size, samples}, run);
    std::printf("\n");
  }
}

// Root mean square difference of pictures `a` and those of `b` that come `shift` later.
double Rmse(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, size_t bytes, int shift) {
  double sum = 0, count = 0;
  for (int i = 0; i + shift < kEnvs; ++i) {
    if (shift > 0 && i % kSteps == kSteps - 1) continue;  // the next one begins another episode
    for (size_t k = 0; k < bytes; ++k) {
      const double d = a[i * bytes + k] - b[(i + shift) * bytes + k];
      sum += d * d;
    }
    count += static_cast<double>(bytes);
  }
  return std::sqrt(sum / count);
}

void Shapes(const std::vector<std::string>& ids, const Run& run) {
  constexpr int kFine = 1024;  // at least MuJoCo's defaults: 28 slices, 16 stacks
  std::printf(
      "\nround shapes as coarse as the picture's size allows, against MuJoCo's defaults: grey "
      "levels (RMSE), those between a picture and the next, pictures/s\n");
  std::printf("%-26s %5s %8s %8s %7s %18s %18s\n", "task", "px", "coarse", "next", "ratio",
              "coarse", "default");
  for (const std::string& id : ids) {
    const Scene scene(id);
    for (const int size : {64, 128, 224}) {
      Ours coarse(scene, run.threads, {.size = size});
      Ours fine(scene, run.threads, {.size = size, .detail_size = kFine});
      const auto r = InTurns(
          run.turns, [&] { return coarse.Run(run.seconds); },
          [&] { return fine.Run(run.seconds); });
      const size_t bytes = static_cast<size_t>(size) * size * 3;
      const double off = Rmse(coarse.frames, fine.frames, bytes, 0);
      const double next = Rmse(fine.frames, fine.frames, bytes, 1);
      std::printf("%-26s %5d %8.2f %8.2f %7.2f %9.0f (%6.1f) %9.0f (%6.1f)\n", id.c_str(), size,
                  off, next, off / next, r[0].per_second, r[0].cpu_us, r[1].per_second,
                  r[1].cpu_us);
      std::fflush(stdout);
    }
  }
}

// Pictures [kEnvs,64,64,3] as the mean over blocks of larger ones.
std::vector<uint8_t> Shrunk(const Ours& draw, int size) {
  const int s = size / 64;
  std::vector<uint8_t> out(kEnvs * 64 * 64 * 3);
  for (size_t k = 0; k < out.size(); ++k) {
    const size_t c = k % 3, x = k / 3 % 64, y = k / 192 % 64, i = k / (192 * 64);
    int sum = s * s / 2;
    for (int v = 0; v < s; ++v) {
      for (int u = 0; u < s; ++u)
        sum += draw.frames[((i * size + y * s + v) * size + x * s + u) * 3 + c];
    }
    out[k] = static_cast<uint8_t>(sum / (s * s));
  }
  return out;
}

void Antialiasing(const Run& run) {
  constexpr size_t kBytes = 64 * 64 * 3;
  const Scene scene("v2r/reach");
  std::printf(
      "\nv2r/reach, against 1024 px shrunk by area to 64 px with the same shapes: grey levels "
      "(RMSE), and what the picture costs\n");
  const auto finest = Shrunk(Ours(scene, 1, {.size = 1024, .detail_size = 64}), 1024);
  std::printf("%-38s %6.2f\n", "the next state", Rmse(finest, finest, kBytes, 1));
  const std::pair<const char*, Way> ways[] = {
      {"64 px", {}},
      {"64 px, samples 4", {.samples = 4}},
      {"128 px shrunk (supersample 2)", {.supersample = 2}},
      {"192 px shrunk (supersample 3)", {.supersample = 3}},
      {"256 px shrunk (supersample 4)", {.supersample = 4}},
      {"256 px, samples 4, shrunk", {.samples = 4, .supersample = 4}}};
  for (const auto& [name, way] : ways) {
    Ours draw(scene, run.threads, way);
    const auto r = InTurns(run.turns, [&] { return draw.Run(run.seconds); });
    std::printf("%-38s %6.2f %9.0f pictures/s (%5.1f us)\n", name,
                Rmse(draw.frames, finest, kBytes, 0), r[0].per_second, r[0].cpu_us);
  }
}

int Main(int argc, char** argv) {
  InitLog();
  const Run run{Flag(argc, argv, "threads", 2), Flag(argc, argv, "turns", 5),
                Flag(argc, argv, "ms", 400) / 1000.0};
  const std::string part = TextFlag(argc, argv, "part", "");
  const std::string prefix = TextFlag(argc, argv, "tasks", "v2r/");
  std::vector<std::string> ids;
  for (const std::string& id : EnvNames()) {
    if (id.starts_with(prefix) && id != "mjcf") ids.push_back(id);
  }
  const GlDriver driver = GlContext().driver();
  std::printf(
      "%s, %s; %d threads, LP_NUM_THREADS=%s; pictures/s (processor us a picture), best of %d "
      "turns\n",
      driver.platform.c_str(), driver.renderer.c_str(), run.threads, std::getenv("LP_NUM_THREADS"),
      run.turns);
  if (part.empty() || part == "tasks") Tasks(ids, run);
  if (part.empty() || part == "sizes") Sizes(run);
  if (part.empty() || part == "shapes") Shapes(ids, run);
  if (part.empty() || part == "antialiasing") Antialiasing(run);
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
