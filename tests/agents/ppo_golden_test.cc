// Nine minibatch updates of CleanRL's agent through the learner that training uses, with its
// permutations.
#include "agents/policy_network.h"
#include "agents/ppo_learner.h"
#include "tests/golden.h"

namespace v2r {
namespace {

std::vector<float> List(const torch::Tensor& tensor) {
  const auto flat = tensor.cpu().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

void ExpectWeights(const PolicyNetwork& network, const TensorDict& expected, double tolerance) {
  ASSERT_EQ(network.named_parameters().size(), expected.size());
  for (const auto& [name, value] : expected) {
    EXPECT_TRUE(IsClose(network.named_parameters().at(name), value, {.absolute = tolerance}))
        << name;
  }
}

TEST(PpoLearnerGolden, FollowsCleanRlForNineMinibatches) {
  for (const GoldenCase& c : GoldenCases("C3_ppo_update")) {
    SCOPED_TRACE(c.name);
    const auto hyper = c.hyper();
    const auto perms = c["in.perms"].cpu();
    const int64_t batch = c["out.step0.newlogprob"].numel();
    Rng rng;
    const int64_t obs_dim = hyper["obs"], act_dim = hyper["act"];
    PolicyNetwork network({.obs_dim = obs_dim, .act_dim = act_dim}, rng, TestDevice());
    network.Load(c.Under("param."), c.name);
    PpoLearner learner(network, {.loss = {.clip_coef = hyper["clip_coef"],
                                          .clip_vloss = hyper["clip_vloss"],
                                          .norm_adv = hyper["norm_adv"],
                                          .ent_coef = hyper["ent_coef"],
                                          .vf_coef = hyper["vf_coef"]},
                                 .batch_size = batch,
                                 .max_grad_norm = hyper["max_grad_norm"],
                                 .adam_eps = hyper["adam_eps"]});
    learner.SetSamples({.obs = List(c["in.obs"]),
                        .actions = List(c["in.actions"]),
                        .log_probs = List(c["in.logprobs"]),
                        .values = List(c["in.values"]),
                        .advantages = List(c["in.advantages"]),
                        .returns = List(c["in.returns"])});
    int64_t step = 0;
    for (int64_t epoch = 0; epoch < perms.size(0); ++epoch) {
      const auto perm = perms[epoch].contiguous();
      learner.Shuffle({perm.data_ptr<int64_t>(), static_cast<size_t>(perm.numel())});
      for (int64_t i = 0; i < learner.num_minibatches(); ++i, ++step) {
        const PpoStepResult result = learner.Step(i, hyper["lr"]);
        const std::string out = fmt::format("out.step{}.", step);
        SCOPED_TRACE(out);
        const Tolerance tolerance{.relative = step == 0 ? 2e-6 : 2e-5, .absolute = 1e-6};
        EXPECT_TRUE(IsClose(result.loss.loss, c.scalar(out + "loss"), tolerance));
        EXPECT_TRUE(IsClose(result.grad_norm, c.scalar(out + "grad_norm"), tolerance));
        if (step == 0) {
          EXPECT_TRUE(IsClose(result.loss.pg_loss, c.scalar(out + "pg_loss"), tolerance));
          EXPECT_TRUE(IsClose(result.loss.v_loss, c.scalar(out + "v_loss"), tolerance));
          EXPECT_TRUE(IsClose(result.entropy, c.scalar(out + "entropy"), tolerance));
          EXPECT_TRUE(IsClose(result.loss.approx_kl, c.scalar(out + "approx_kl"), tolerance));
          EXPECT_TRUE(
              IsClose(result.loss.old_approx_kl, c.scalar(out + "old_approx_kl"), tolerance));
          EXPECT_TRUE(IsClose(result.loss.clipfrac, c.scalar(out + "clipfrac"), tolerance));
          // The learner has clipped its gradients in place.
          const double norm = c.scalar(out + "grad_norm");
          const double factor = std::min(1.0, hyper["max_grad_norm"].get<double>() / (norm + 1e-6));
          for (const auto& [name, grad] : c.Under(out + "grad.")) {
            EXPECT_TRUE(IsClose(network.named_gradients().at(name), grad * factor,
                                {.absolute = 1e-6, .of_max = 1e-6}))
                << name;
          }
          ExpectWeights(network, c.Under("out.after_step0."), 1e-6);
        }
      }
    }
    EXPECT_EQ(step, 9);
    ExpectWeights(network, c.Under("out.after_step8."), 1e-5);
  }
}

}  // namespace
}  // namespace v2r
