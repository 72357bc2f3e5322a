// PPO's two hot calls, fused and through torch's operators: a minibatch update, against the same
// update through autograd and torch::optim::Adam, and acting, against the bare forward pass.
//   ppo_bench [--threads=2] [--batch=256] [--obs=12] [--act=2] [--envs=32] [--turns=50] [--ms=20]
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include "agents/policy_network.h"
#include "agents/ppo.h"
#include "agents/ppo_learner.h"
#include "agents/serial_torch.h"
#include "benchmarks/bench.h"
#include "core/device.h"
#include "core/torch_rng.h"

namespace v2r {
namespace {

struct AutogradPpo : torch::nn::Module {
  AutogradPpo(int64_t obs, int64_t act) {
    actor = register_module("actor", Net(obs, act));
    critic = register_module("critic", Net(obs, 1));
    log_std = register_parameter("log_std", torch::zeros({1, act}));
    adam = std::make_unique<torch::optim::Adam>(parameters(),
                                                torch::optim::AdamOptions(1e-3).eps(1e-5));
  }
  static torch::nn::Sequential Net(int64_t in, int64_t out) {
    return torch::nn::Sequential(torch::nn::Linear(in, 64), torch::nn::Tanh(),
                                 torch::nn::Linear(64, 64), torch::nn::Tanh(),
                                 torch::nn::Linear(64, out));
  }
  void Step(const torch::Tensor& obs, const torch::Tensor& actions, const torch::Tensor& log_probs,
            const torch::Tensor& advantages, const torch::Tensor& returns) {
    const auto z = (actions - actor->forward(obs)) / log_std.exp();
    const auto new_log_probs =
        (-0.5 * z * z - log_std - 0.5 * std::log(2 * std::numbers::pi)).sum(1);
    const auto ratio = (new_log_probs - log_probs).exp();
    const auto normalised = (advantages - advantages.mean()) / (advantages.std() + 1e-8);
    const auto pg_loss =
        torch::max(-normalised * ratio, -normalised * ratio.clamp(0.8, 1.2)).mean();
    const auto v_loss = 0.5 * (critic->forward(obs).view({-1}) - returns).square().mean();
    adam->zero_grad();
    (pg_loss + 0.5 * v_loss).backward();
    torch::nn::utils::clip_grad_norm_(parameters(), 0.5);
    adam->step();
  }
  torch::nn::Sequential actor = nullptr, critic = nullptr;
  torch::Tensor log_std;
  std::unique_ptr<torch::optim::Adam> adam;
};

// Ten calls a chunk, so that the clock costs nothing.
template <typename Call>
auto Calls(double seconds, Call call) {
  return [=] {
    return Repeat(seconds, [&] {
      for (int i = 0; i < 10; ++i) call();
      return 10;
    });
  };
}

void Print(const char* what, const Rate& reference, const Rate& ours) {
  std::printf("%-40s %9.1f (%7.1f) %9.1f (%7.1f) %8.2f %8.2f\n", what, 1e6 / reference.per_second,
              reference.cpu_us, 1e6 / ours.per_second, ours.cpu_us,
              ours.per_second / reference.per_second, reference.cpu_us / ours.cpu_us);
}

int Main(int argc, char** argv) {
  const int threads = SetTorchThreads(Flag(argc, argv, "threads", 2));
  const int64_t batch = Flag(argc, argv, "batch", 256), obs_dim = Flag(argc, argv, "obs", 12);
  const int64_t act_dim = Flag(argc, argv, "act", 2);
  const int64_t envs = Flag(argc, argv, "envs", 32);
  const int turns = Flag(argc, argv, "turns", 50);
  const double seconds = Flag(argc, argv, "ms", 20) / 1000.0;
  Rng rng(1);

  const auto obs = RandomNormal(rng, {batch, obs_dim}),
             actions = RandomNormal(rng, {batch, act_dim});
  const auto advantages = RandomNormal(rng, {batch}), returns = RandomNormal(rng, {batch});
  const auto log_probs = torch::full({batch}, -2.0f);
  const auto list = [](const torch::Tensor& t) {
    return std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
  };
  std::printf("%d torch threads, %ld-64-64-%ld tanh actor and critic, best of %d turns, %s\n",
              threads, static_cast<long>(obs_dim), static_cast<long>(act_dim), turns,
              AvailableSimdKernels().front().name);
  std::printf("%-44s %19s %19s %8s %8s\n", "us a call (processor us)", "reference", "ours", "ratio",
              "cpu");
  for (const bool fused : {true, false}) {
    const char* path = fused ? "fused" : "torch";
    PolicyNetwork network({.obs_dim = obs_dim, .act_dim = act_dim, .fused = fused}, rng,
                          torch::kCPU);
    PpoLearner learner(network, {.batch_size = batch});
    learner.SetSamples({.obs = list(obs),
                        .actions = list(actions),
                        .log_probs = list(log_probs),
                        .values = list(returns),
                        .advantages = list(advantages),
                        .returns = list(returns)});
    learner.Shuffle(rng.Permutation(batch));
    AutogradPpo autograd(obs_dim, act_dim);
    const auto update = InTurns(
        turns, Calls(seconds, [&] { autograd.Step(obs, actions, log_probs, advantages, returns); }),
        Calls(seconds, [&] { learner.Step(0, 1e-5); }));
    Print(fmt::format("{} minibatch of {} against autograd", path, batch).c_str(), update[0],
          update[1]);

    PpoOptions options;
    options.fused = fused;
    auto agent = MakePpo(options, obs_dim, act_dim, rng, torch::kCPU);
    const auto few = RandomNormal(rng, {envs, obs_dim});
    const auto rows = static_cast<size_t>(envs);
    std::vector<float> out_actions(rows * static_cast<size_t>(act_dim)), out_log_probs(rows),
        out_values(rows);
    const std::vector<float> few_obs = list(few);
    auto buffers = network.MakeBuffers(envs);
    const auto act = InTurns(turns,
                             Calls(seconds,
                                   [&] {
                                     const SerialTorchScope serial(true);
                                     network.Forward(few, buffers);
                                   }),
                             Calls(seconds, [&] {
                               agent->Act(few_obs, ActMode::kSample, rng, out_actions,
                                          out_log_probs, out_values);
                             }));
    Print(fmt::format("{} Act on {} rows against torch's forward", path, envs).c_str(), act[0],
          act[1]);
  }
  return 0;
}

}  // namespace
}  // namespace v2r

int main(int argc, char** argv) { return v2r::Main(argc, argv); }
