// v2r bench: the speed of each part and of a complete run, in one process on this machine. The bare
// loops that set the limits are programs in benchmarks/.
#include <iostream>

#include "app/commands.h"
#include "app/load.h"
#include "app/options.h"
#include "app/train.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/text.h"

namespace v2r {
namespace {

constexpr double kSeconds = 2.0;  // of measuring a part

// Calls `work` (which returns how many items it did) until kSeconds have passed, after one call to
// warm up. Items per second.
template <typename Work>
double Rate(const Work& work) {
  work();
  const Stopwatch watch;
  int64_t done = 0;
  while (watch.Seconds() < kSeconds) {
    PollInterrupt();
    done += work();
  }
  return static_cast<double>(done) / watch.Seconds();
}

double StepRate(EnvOptions options, bool render) {
  options.render = render;
  const auto env = MakeVectorEnv(options);
  const VectorEnvSpec& spec = env->Spec();
  env->Reset(1);
  Rng rng(1);
  std::vector<float> actions(spec.num_envs * spec.act_dim);
  return Rate([&] {
    for (int i = 0; i < 20; ++i) {
      for (float& action : actions) action = static_cast<float>(rng.Uniform(-1, 1));
      env->Step(actions);
    }
    return 20 * spec.num_envs;
  });
}

double EncodeRate(const TrainOptions& options, const torch::Device& device, int64_t chunk) {
  Rng rng(1);
  const Encoder encoder =
      options.encoder.path.empty()
          ? MakeEncoder(MakeEncoderNet(options.encoder.spec, rng), {}, device, options.reward.dtype)
          : LoadEncoder(options.encoder.path, device, options.reward.dtype);
  const int64_t size = options.env.frame_size;
  const auto frames = torch::randint(0, 255, {chunk, size, size, 3},
                                     torch::TensorOptions(torch::kUInt8).device(device));
  return Rate([&] {
    encoder.Embed(frames).sum().item<float>();
    return chunk;
  });
}

}  // namespace

int BenchCommand(const std::string& what, const BenchEnvOptions& env, const Words& overrides) {
  const std::vector<std::string> known = {"all", "step", "render", "encode", "train", "env"};
  const std::string part = what.empty() ? "all" : what;
  if (std::find(known.begin(), known.end(), part) == known.end()) {
    ThrowUser("bench: unknown part '{}'{} (known: {})", part, DidYouMean(part, known),
              Join(known, ", "));
  }
  const auto options = LoadOptions<TrainOptions>("train", overrides);
  if (part == "env") return BenchEnvs(env, options.env);
  const int threads = SetTorchThreads(static_cast<int>(options.torch_threads));
  const torch::Device device = ResolveDevice(options.device);
  const auto is = [&](const char* name) { return part == "all" || part == name; };
  std::vector<std::vector<std::string>> table = {{"part", "per second"}};
  const auto add = [&](const std::string& name, double rate) {
    table.push_back({name, fmt::format("{:.0f}", rate)});
  };
  if (is("step")) add("environment steps, no pictures", StepRate(options.env, false));
  if (is("render")) {
    add(fmt::format("environment steps with a {0}x{0} picture", options.env.frame_size),
        StepRate(options.env, true));
  }
  if (is("encode")) {
    add(fmt::format("pictures encoded ({} width {}, {})", options.encoder.spec.arch,
                    options.encoder.spec.width, options.reward.dtype),
        EncodeRate(options, device, options.reward.chunk_size));
  }
  if (is("train")) {
    const TrainOutcome outcome = Train(options, overrides);
    add("complete training, evaluation and recording on", outcome.fps);
  }
  std::cout << Table(table) << fmt::format("{} torch threads, device {}\n", threads, device.str());
  return 0;
}

}  // namespace v2r
