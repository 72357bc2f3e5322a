// SimCLR v2's memory: rows of a slow network that repel besides the batch.
#include <gmock/gmock.h>

#include "core/torch_rng.h"
#include "learn/losses.h"
#include "pretrain/pictures.h"
#include "pretrain/registry.h"
#include "pretrain/setup.h"
#include "pretrain/step.h"
#include "tests/golden.h"
#include "tests/pretrain/helpers.h"

namespace v2r {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Row by row: z of one view against the slow network's k of both, but for its own view, and memory.
TEST(SimclrMemoryTest, TheLossHasTheMemoryAmongItsNegatives) {
  Rng rng(4);
  const auto unit = [&](int64_t rows) { return L2Normalize(RandomNormal(rng, {rows, 6})); };
  const auto a = unit(3), b = unit(3), ka = unit(3), kb = unit(3);
  const auto memory = unit(5).requires_grad_();
  const auto rows = torch::cat({a, b}), others = torch::cat({ka, kb});
  const double temperature = 0.3;
  double expected = 0;
  for (int64_t i = 0; i < 6; ++i) {
    double sum = 0;
    const auto e = [&](const torch::Tensor& other) {
      return std::exp(rows[i].dot(other).item<double>() / temperature);
    };
    for (int64_t j = 0; j < 6; ++j) sum += j == i ? 0 : e(others[j]);
    for (int64_t k = 0; k < 5; ++k) sum += e(memory[k]);
    expected -= std::log(e(others[(i + 3) % 6]) / sum) / 6;
  }
  const auto z = a.clone().requires_grad_();
  const auto loss = NtXentGathered(z, b, ka, kb, 0, temperature, "mean", memory);
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
  loss.backward();
  EXPECT_TRUE(z.grad().defined());
  EXPECT_FALSE(memory.grad().defined());
  EXPECT_GT(expected, NtXentGathered(a, b, ka, kb, 0, temperature).item<double>());
}

// The memory holds what the slow network gave for the batches of the steps before, oldest first.
TEST(SimclrMemoryTest, ItHoldsTheSlowNetworksRowsOfPastSteps) {
  const ClipSet clips = Squares();
  const PretrainOptions options =
      With(TinyOptions("simclr"), "{memory_size: 48, ema_momentum: 0.5, learning_rate: 0.01}");
  Rng rng(3);
  const auto method =
      PretrainMethods().Make("simclr", options, MakeEncoderNet(TinySpec("simclr"), rng), rng);
  method->Prepare(clips, PlainViews(clips, SpreadFrames(clips, 16), TinySpec("simclr")));
  const auto optimizer = MakeOptimizer(options, method->Parameters());
  const auto state = [&](const std::string& name) {
    return ToTensors(method->SaveState()).at(name).clone();
  };
  const torch::Tensor fresh = state("memory.queue");
  EXPECT_TRUE(IsClose(fresh.norm(2, 0), torch::ones({48}), {.absolute = 1e-5}));
  std::vector<double> losses;
  for (int64_t step = 0; step < 3; ++step) {
    losses.push_back(
        PretrainStep(
            options, *method, *optimizer, [&] { return method->Views(clips, rng); }, step)
            .loss);
    const torch::Tensor queue = state("memory.queue");
    // 16 columns a step: those of this one are new, the later ones as drawn.
    EXPECT_TRUE(IsClose(queue.norm(2, 0), torch::ones({48}), {.absolute = 1e-5}));
    EXPECT_FALSE(
        queue.slice(1, 16 * step, 16 * step + 16).equal(fresh.slice(1, 16 * step, 16 * step + 16)));
    EXPECT_TRUE(queue.slice(1, 16 * step + 16).equal(fresh.slice(1, 16 * step + 16)));
    EXPECT_EQ(state("memory.queue_ptr").item<int64_t>(), (16 * step + 16) % 48);
  }
  // The slow network is between its start and the fast one, and gets no gradient.
  EXPECT_FALSE(state("memory_net.conv1.weight").equal(state("net.conv1.weight")));
  for (const auto& p : method->Parameters()) {
    EXPECT_FALSE(p.equal(state("memory_net.conv1.weight")));
  }
}

TEST(SimclrMemoryTest, ASizeThatIsNoMultipleOfABatchIsRefused) {
  const TempFolder folder;
  const auto options = With(TinyOptions("simclr"), "memory_size: 40");
  EXPECT_THAT(UserMessage([&] {
                Pretrain(options, TinySpec(), Squares(), folder / "e.safetensors", kCpu);
              }),
              AllOf(HasSubstr("memory_size=40"), HasSubstr("16 rows"), HasSubstr("e.g. 32")));
}

}  // namespace
}  // namespace v2r
