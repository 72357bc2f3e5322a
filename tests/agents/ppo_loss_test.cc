#include "agents/ppo_loss.h"

#include <cmath>

#include "tests/golden.h"

namespace v2r {
namespace {

std::vector<float> List(const torch::Tensor& tensor) {
  const auto flat = tensor.cpu().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

TEST(PpoLossGolden, MatchesCleanRl) {
  for (const GoldenCase& c : GoldenCases("C2_ppo_losses")) {
    const auto hyper = c.hyper();
    const auto new_log_probs = List(c["in.newlogprob"]), old_log_probs = List(c["in.logprob"]);
    const auto new_values = List(c["in.newvalue"]), old_values = List(c["in.values"]);
    const auto advantages = List(c["in.advantages"]), returns = List(c["in.returns"]);
    const auto n = static_cast<int64_t>(advantages.size());
    const PpoLossInput input = {.new_log_probs = new_log_probs,
                                .old_log_probs = old_log_probs,
                                .new_values = new_values,
                                .old_values = old_values,
                                .advantages = advantages,
                                .returns = returns,
                                .entropy = c["in.entropy"].mean().item<double>()};
    for (const bool clip_vloss : {false, true}) {
      for (const bool norm_adv : {false, true}) {
        const std::string out = fmt::format("out.clipv{:d}_norm{:d}.", clip_vloss, norm_adv);
        SCOPED_TRACE(c.name + " " + out);
        torch::Tensor grad_log_probs = torch::full({n}, 7.0f), grad_values = torch::full({n}, 7.0f);
        const PpoLossOutput loss =
            PpoLoss(input,
                    {.clip_coef = hyper["clip_coef"],
                     .clip_vloss = clip_vloss,
                     .norm_adv = norm_adv,
                     .ent_coef = hyper["ent_coef"],
                     .vf_coef = hyper["vf_coef"]},
                    {grad_log_probs.data_ptr<float>(), static_cast<size_t>(n)},
                    {grad_values.data_ptr<float>(), static_cast<size_t>(n)});
        const Tolerance tolerance{.relative = 1e-6, .absolute = 1e-6};
        EXPECT_TRUE(IsClose(loss.loss, c.scalar(out + "loss"), tolerance));
        EXPECT_TRUE(IsClose(loss.pg_loss, c.scalar(out + "pg_loss"), tolerance));
        EXPECT_TRUE(IsClose(loss.v_loss, c.scalar(out + "v_loss"), tolerance));
        EXPECT_TRUE(IsClose(input.entropy, c.scalar(out + "entropy"), tolerance));
        EXPECT_TRUE(IsClose(loss.old_approx_kl, c.scalar(out + "old_approx_kl"), tolerance));
        EXPECT_TRUE(IsClose(loss.approx_kl, c.scalar(out + "approx_kl"), tolerance));
        EXPECT_TRUE(IsClose(loss.clipfrac, c.scalar(out + "clipfrac"), tolerance));
        EXPECT_TRUE(IsClose(grad_log_probs, c[out + "grad_newlogprob"].cpu(), tolerance));
        EXPECT_TRUE(IsClose(grad_values, c[out + "grad_newvalue"].cpu(), tolerance));
        EXPECT_TRUE(IsClose(torch::full({n}, loss.grad_entropy / static_cast<double>(n)),
                            c[out + "grad_entropy"].cpu(), tolerance));
      }
    }
  }
}

TEST(PpoLoss, OneSampleKeepsItsAdvantage) {
  const std::vector<float> zero = {0}, advantage = {3};
  std::vector<float> grad_log_probs(1), grad_values(1);
  const PpoLossInput input = {.new_log_probs = zero,
                              .old_log_probs = zero,
                              .new_values = zero,
                              .old_values = zero,
                              .advantages = advantage,
                              .returns = zero};
  const PpoLossOutput loss = PpoLoss(input, {.norm_adv = true}, grad_log_probs, grad_values);
  EXPECT_DOUBLE_EQ(loss.pg_loss, -3.0);
  EXPECT_FLOAT_EQ(grad_log_probs[0], -3.0f);
}

TEST(PpoLoss, ExplainedVariance) {
  const std::vector<float> returns = {1, 2, 3, 4}, half = {0.5f, 1, 1.5f, 2}, flat = {2, 2, 2, 2};
  EXPECT_DOUBLE_EQ(ExplainedVariance(returns, returns), 1.0);
  EXPECT_DOUBLE_EQ(ExplainedVariance(half, returns), 0.75);
  EXPECT_DOUBLE_EQ(ExplainedVariance(flat, returns), 0.0);
  EXPECT_TRUE(std::isnan(ExplainedVariance(returns, flat)));
}

}  // namespace
}  // namespace v2r
