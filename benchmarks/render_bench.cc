// Pictures a second: the Renderer against a bare mjr loop with the same scene, number of threads
// and LP_NUM_THREADS, both in this run, in turns; what whole environment steps with pictures reach;
// and what antialiasing costs and gives.
//   render_bench [--threads=2] [--turns=5] [--ms=400]
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include "benchmarks/bench.h"
#include "core/log.h"
#include "core/rng.h"
#include "envs/gl_context.h"
#include "envs/make.h"
#include "envs/renderer.h"

namespace v2r {
namespace {

constexpr int kEnvs = 32;

std::vector<DataPtr> RandomStates(const mjModel* model, int count) {
  Rng rng(1);
  std::vector<DataPtr> states;
  for (int i = 0; i < count; ++i) {
    DataPtr data(mj_makeData(model));
    data->qpos[0] = rng.Uniform(-std::numbers::pi, std::numbers::pi);
    data->qpos[1] = rng.Uniform(-2.4, 2.4);
    mj_forward(model, data.get());
    states.push_back(std::move(data));
  }
  return states;
}

// The limit: each thread draws and reads back as fast as MuJoCo lets it, nothing else.
Sample BareLoop(const mjModel* model, std::vector<DataPtr>& states, int threads, int size,
                int samples, double seconds) {
  ModelPtr own(mj_copyModel(nullptr, model));
  own->vis.global.offwidth = own->vis.global.offheight = size;
  own->vis.quality.offsamples = samples;
  return OnThreads(threads, [&](int t, auto begin) {
    GlContext gl;
    mjvScene scene;
    mjv_defaultScene(&scene);
    mjv_makeScene(own.get(), &scene, 100);
    mjvOption visible;
    mjv_defaultOption(&visible);
    mjvCamera camera;
    mjv_defaultCamera(&camera);
    camera.type = mjCAMERA_FIXED;
    camera.fixedcamid = mj_name2id(own.get(), mjOBJ_CAMERA, "top");
    mjrContext context;
    mjr_defaultContext(&context);
    mjr_makeContext(own.get(), &context, mjFONTSCALE_50);
    mjr_setBuffer(mjFB_OFFSCREEN, &context);
    for (int flag : {mjRND_SHADOW, mjRND_REFLECTION, mjRND_SKYBOX, mjRND_FOG, mjRND_HAZE})
      scene.flags[flag] = 0;
    std::vector<uint8_t> pixels(static_cast<size_t>(size) * size * 3);
    const int share = static_cast<int>(states.size()) / threads;
    const auto draw = [&](int k) {
      mjData* data = states[t * share + k % share].get();
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
  Ours(const mjModel* model, std::vector<DataPtr>& states, int threads, int size, int samples,
       int supersample)
      : renderer(model, {.threads = threads,
                         .height = size,
                         .width = size,
                         .samples = samples,
                         .supersample = supersample}),
        frames(states.size() * size * size * 3) {
    for (size_t i = 0; i < states.size(); ++i) {
      pictures.push_back({states[i].get(), frames.data() + i * size * size * 3, 1.f});
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
  std::vector<Picture> pictures;
};

Sample EnvSteps(VectorEnv& env, Rng& rng, double seconds) {
  std::vector<float> actions(kEnvs * env.Spec().act_dim);
  return Repeat(seconds, [&] {
    for (float& a : actions) a = static_cast<float>(rng.Uniform(-1, 1));
    env.Step(actions);
    return kEnvs;
  });
}

// Pictures [count,64,64,3] as the mean over blocks of ones drawn at `size`.
std::vector<double> Shrunk(const mjModel* model, std::vector<DataPtr>& states, int size,
                           int samples) {
  Ours draw(model, states, 1, size, samples, 1);
  const int s = size / 64;
  std::vector<double> out(states.size() * 64 * 64 * 3);
  for (size_t k = 0; k < out.size(); ++k) {
    const size_t c = k % 3, x = k / 3 % 64, y = k / 192 % 64, i = k / (192 * 64);
    int sum = 0;
    for (int v = 0; v < s; ++v) {
      for (int u = 0; u < s; ++u)
        sum += draw.frames[((i * size + y * s + v) * size + x * s + u) * 3 + c];
    }
    out[k] = std::round(static_cast<double>(sum) / (s * s));
  }
  return out;
}

double Rmse(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

int Main(int argc, char** argv) {
  InitLog();
  const int threads = Flag(argc, argv, "threads", 2), turns = Flag(argc, argv, "turns", 5);
  const double seconds = Flag(argc, argv, "ms", 400) / 1000.0;
  const ModelPtr model = LoadModel(OwnModel("reach.xml"));
  auto states = RandomStates(model.get(), kEnvs);

  std::printf(
      "v2r/reach, %d threads, LP_NUM_THREADS=%s: pictures/s (processor us a picture), best of %d "
      "turns\n",
      threads, std::getenv("LP_NUM_THREADS") ? std::getenv("LP_NUM_THREADS") : "0", turns);
  std::printf("%-22s %18s %18s %8s %8s\n", "size, samples", "bare mjr loop", "Renderer", "ratio",
              "cpu");
  const int cases[][2] = {{64, 0}, {64, 4}, {128, 0}, {128, 4}, {256, 0}};
  for (const auto& row : cases) {
    const int size = row[0], samples = row[1];
    Ours ours(model.get(), states, threads, size, samples, 1);
    const auto r = InTurns(
        turns, [&] { return BareLoop(model.get(), states, threads, size, samples, seconds); },
        [&] { return ours.Run(seconds); });
    std::printf("%4d px, %2d samples     %9.0f (%5.1f) %9.0f (%5.1f) %8.2f %8.2f\n", size, samples,
                r[0].per_second, r[0].cpu_us, r[1].per_second, r[1].cpu_us,
                r[1].per_second / r[0].per_second, r[0].cpu_us / r[1].cpu_us);
  }

  std::printf(
      "\nwhole environment steps with pictures, 64 px, %d envs: steps/s (processor us a step)\n",
      kEnvs);
  for (const char* id : {"v2r/reach", "v2r/reach_goal", "v2r/push"}) {
    EnvOptions options;
    options.id = id;
    options.num_envs = kEnvs;
    options.env_threads = options.render_threads = threads;
    const auto env = MakeVectorEnv(options);
    env->Reset(1);
    Rng rng(2);
    const auto r = InTurns(turns, [&] { return EnvSteps(*env, rng, seconds); });
    std::printf("%-22s %9.0f (%5.1f)\n", id, r[0].per_second, r[0].cpu_us);
  }

  std::printf(
      "\nagainst 256 px shrunk by area to 64 px, grey levels: RMSE, and what the picture costs\n");
  auto reference = Shrunk(model.get(), states, 256, 0);
  const auto finest = Shrunk(model.get(), states, 1024, 0);
  const auto other = [&] {  // two unrelated states, for scale
    std::vector<double> shifted = reference;
    std::rotate(shifted.begin(), shifted.begin() + 64 * 64 * 3, shifted.end());
    return shifted;
  }();
  std::printf("%-38s %6.2f\n", "another random state", Rmse(reference, other));
  struct Way {
    const char* name;
    int size, samples, supersample;
  };
  const Way ways[] = {{"64 px", 64, 0, 1},
                      {"64 px, samples 4", 64, 4, 1},
                      {"64 px, samples 8", 64, 8, 1},
                      {"64 px, samples 16", 64, 16, 1},
                      {"128 px shrunk (supersample 2)", 128, 0, 2},
                      {"192 px shrunk (supersample 3)", 192, 0, 3},
                      {"256 px shrunk (supersample 4)", 256, 0, 4},
                      {"256 px, samples 4, shrunk", 256, 4, 4}};
  for (const Way& way : ways) {
    const auto picture = Shrunk(model.get(), states, way.size, way.samples);
    Ours draw(model.get(), states, threads, 64, way.samples, way.supersample);
    const auto r = InTurns(3, [&] { return draw.Run(seconds); });
    std::printf("%-38s %6.2f   (against 1024 px shrunk %5.2f) %9.0f pictures/s (%5.1f us)\n",
                way.name, Rmse(picture, reference), Rmse(picture, finest), r[0].per_second,
                r[0].cpu_us);
  }
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
