// MoCo's steps against facebookresearch/moco and moco-v3, through the parts that training uses.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/tensor_file.h"
#include "learn/ema.h"
#include "learn/lars.h"
#include "learn/moco.h"
#include "learn/schedules.h"
#include "tests/golden.h"

namespace v2r {
namespace {

// The files' encoder: Linear - BatchNorm - ReLU - `last`, whose name differs.
class ToyEncoderImpl : public torch::nn::Module {
 public:
  ToyEncoderImpl(const std::string& name, torch::nn::Sequential last)
      : l1_(register_module("l1", torch::nn::Linear(12, 20))),
        bn_(register_module("bn", torch::nn::BatchNorm1d(20))),
        last_(register_module(name, std::move(last))) {}
  torch::Tensor forward(const torch::Tensor& x) {
    return last_->forward(torch::relu(bn_->forward(l1_->forward(x))));
  }

 private:
  torch::nn::Linear l1_;
  torch::nn::BatchNorm1d bn_;
  torch::nn::Sequential last_;
};
TORCH_MODULE(ToyEncoder);

// v1 and the notebook name their only layer fc, not fc.0.
TensorDict Renamed(TensorDict tensors) {
  for (const char* part : {"weight", "bias"}) {
    const std::string name = std::string("fc.") + part;
    if (tensors.contains(name)) {
      tensors["fc.0." + std::string(part)] = tensors.at(name);
      tensors.erase(name);
    }
  }
  return tensors;
}

void Load(torch::nn::Module& module, const TensorDict& tensors) {
  LoadModuleState(module, tensors, "golden");
}

ToyEncoder MocoEncoder(bool mlp) {
  torch::nn::Sequential fc;
  if (mlp) {
    fc->push_back(torch::nn::Linear(20, 20));
    fc->push_back(torch::nn::ReLU());
  }
  fc->push_back(torch::nn::Linear(20, 16));
  return ToyEncoder("fc", fc);
}

void ExpectState(const torch::nn::Module& module, const TensorDict& expected, double absolute) {
  const TensorDict state = ModuleState(module);
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(state.contains(name)) << name;
    EXPECT_TRUE(IsClose(state.at(name).to(torch::kFloat), value.to(torch::kFloat),
                        {.relative = absolute, .absolute = absolute}))
        << name;
  }
}

void ExpectGradients(const torch::nn::Module& module, const TensorDict& expected) {
  const auto parameters = module.named_parameters();
  for (const auto& [name, value] : expected) {
    const auto* parameter = parameters.find(name);
    ASSERT_NE(parameter, nullptr) << name;
    EXPECT_TRUE(
        IsClose(parameter->grad(), value, {.relative = 1e-5, .absolute = 1e-7, .of_max = 1e-5}))
        << name;
  }
}

void RunQueueCase(const GoldenCase& c, const char* first, const char* second) {
  SCOPED_TRACE(c.name);
  const auto hyper = c.hyper();
  const bool symmetric = hyper.value("symmetric", false);
  const bool notebook = hyper.contains("symmetric");
  ToyEncoder query = MocoEncoder(hyper.value("mlp", false));
  ToyEncoder key = MocoEncoder(hyper.value("mlp", false));
  Load(*query, Renamed(c.Under("init.encoder_q.")));
  CopyState(*key, *query);
  Freeze(*key);
  Rng rng(1);
  KeyQueue queue(hyper.at("dim").get<int64_t>(), hyper.at("K").get<int64_t>(), rng);
  Load(*queue, {{"queue", c["init.queue"]}, {"queue_ptr", c["init.queue_ptr"]}});
  torch::optim::SGD sgd(query->parameters(), torch::optim::SGDOptions(notebook ? 0.06 : 0.03)
                                                 .momentum(0.9)
                                                 .weight_decay(notebook ? 5e-4 : 1e-4));
  const auto x1 = c[first], x2 = c[second];
  const int64_t directions = symmetric ? 2 : 1;
  for (int64_t step = 0; step < x1.size(0); ++step) {
    SCOPED_TRACE(step);
    EmaUpdate(*key, *query, hyper.at("m").get<double>());
    std::vector<torch::Tensor> permutations;
    for (int64_t k = 0; notebook && k < directions; ++k) {
      permutations.push_back(c["in.shuffle_perms"][step * directions + k]);
    }
    const MocoStep result =
        MocoLoss([&](const torch::Tensor& x) { return query->forward(x); },
                 [&](const torch::Tensor& x) { return key->forward(x); }, *queue, x1[step],
                 x2[step], hyper.at("T").get<double>(), symmetric, permutations);
    queue->Enqueue(result.keys);
    const std::string out = "out.step" + std::to_string(step) + ".";
    EXPECT_TRUE(IsClose(result.loss, c[out + "loss"], {.relative = 1e-5}));
    if (c.has(out + "logits")) {
      EXPECT_TRUE(IsClose(result.logits, c[out + "logits"], {.relative = 1e-5, .of_max = 1e-5}));
    }
    const auto buffers = queue->named_buffers();
    EXPECT_TRUE(IsClose(buffers["queue"], c[out + "queue"], {.absolute = 1e-6}));
    EXPECT_EQ(buffers["queue_ptr"].item<int64_t>(), c[out + "queue_ptr"].item<int64_t>());
    sgd.zero_grad();
    result.loss.backward();
    ExpectGradients(*query, Renamed(c.Under(out + "grad.encoder_q.")));
    sgd.step();
  }
  ExpectState(*query, Renamed(c.Under("final.encoder_q.")), 1e-6);
  ExpectState(*key, Renamed(c.Under("final.encoder_k.")), 1e-6);
}

TEST(MocoGolden, QueueOfV1AndV2) {
  for (const GoldenCase& c : GoldenCases("01_moco_v")) RunQueueCase(c, "in.im_q", "in.im_k");
}

TEST(MocoGolden, NotebookWithShuffledKeysAndBothDirections) {
  for (const GoldenCase& c : GoldenCases("01_moco_cifar")) RunQueueCase(c, "in.im_1", "in.im_2");
}

TEST(MocoV3Golden, LossAndGradient) {
  for (const GoldenCase& c : GoldenCases("03_mocov3_loss")) {
    for (const char* t : {"T0.2", "T1.0"}) {
      SCOPED_TRACE(t);
      const std::string name = t;
      const auto q = c["in." + name + ".q"].clone().requires_grad_(true);
      const auto k = c["in." + name + ".k"].clone().requires_grad_(true);
      const auto loss = MocoV3Loss(q, k, std::stod(name.substr(1)));
      EXPECT_TRUE(IsClose(loss, c["out." + name + ".loss"], {.relative = 1e-6}));
      loss.backward();
      EXPECT_TRUE(
          IsClose(q.grad(), c["out." + name + ".grad_q"], {.relative = 1e-5, .of_max = 1e-6}));
      EXPECT_FALSE(k.grad().defined());
    }
  }
}

// The momentum and the learning rate at fractional epochs: fine steps stand for them.
TEST(MocoV3Golden, Schedules) {
  constexpr int64_t kFine = 1000;  // steps an epoch
  const auto steps = [](double epoch) { return std::llround(epoch * kFine); };
  for (const GoldenCase& c : GoldenCases("03_mocov3_loss")) {
    const auto epochs = c["in.epoch"].cpu(), rate_epochs = c["in.lr_epoch"].cpu();
    for (int64_t i = 0; i < epochs.size(0); ++i) {
      const int64_t step = steps(epochs[i].item<double>());
      EXPECT_NEAR(Anneal("cosine", 0.99, 1, step, 300 * kFine),
                  c["out.momentum_m0.99_E300"][i].item<double>(), 1e-12);
      EXPECT_NEAR(Anneal("cosine", 0.996, 1, step, 1000 * kFine),
                  c["out.momentum_m0.996_E1000"][i].item<double>(), 1e-12);
    }
    for (int64_t i = 0; i < rate_epochs.size(0); ++i) {
      const int64_t step = steps(rate_epochs[i].item<double>());
      EXPECT_NEAR(2.4 * ScheduleFactor("cosine", step, 300 * kFine, 40 * kFine),
                  c["out.lr_base2.4_w40_E300"][i].item<double>(), 1e-12);
    }
  }
}

void RunV3Case(const GoldenCase& c, bool vit) {
  SCOPED_TRACE(c.name);
  const auto hyper = c.hyper();
  const int64_t dim = hyper.at("dim").get<int64_t>(), hidden = hyper.at("mlp_dim").get<int64_t>();
  const double temperature = hyper.at("T").get<double>();
  const auto encoder = [&] {
    return ToyEncoder(vit ? "head" : "fc", MocoV3Mlp(vit ? 3 : 2, 20, hidden, dim, true));
  };
  ToyEncoder base = encoder(), momentum = encoder();
  torch::nn::Sequential predictor = MocoV3Mlp(2, dim, hidden, dim, vit);
  Load(*base, c.Under("init.base_encoder."));
  Load(*momentum, c.Under("init.momentum_encoder."));
  Load(*predictor, c.Under("init.predictor."));
  Freeze(*momentum);
  std::vector<torch::Tensor> parameters = base->parameters();
  for (const auto& parameter : predictor->parameters()) parameters.push_back(parameter);
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  if (vit) {
    optimizer = std::make_unique<torch::optim::AdamW>(
        parameters, torch::optim::AdamWOptions(1.5e-4).weight_decay(0.1));
  } else {
    LarsOptions lars(0.6);
    lars.momentum(0.9).weight_decay(1e-6);
    optimizer = std::make_unique<Lars>(parameters, lars);
  }
  for (int64_t step = 0; step < c["in.x1"].size(0); ++step) {
    SCOPED_TRACE(step);
    const auto x1 = c["in.x1"][step], x2 = c["in.x2"][step];
    const auto q1 = predictor->forward(base->forward(x1));
    const auto q2 = predictor->forward(base->forward(x2));
    EmaUpdate(*momentum, *base, c["in.m"][step].item<double>());
    const auto k1 = momentum->forward(x1), k2 = momentum->forward(x2);
    const auto loss = MocoV3Loss(q1, k2, temperature) + MocoV3Loss(q2, k1, temperature);
    const std::string out = "out.step" + std::to_string(step) + ".";
    EXPECT_TRUE(IsClose(loss, c[out + "loss"], {.relative = 1e-5}));
    optimizer->zero_grad();
    loss.backward();
    TensorDict base_gradients = c.Under(out + "grad.base_encoder.");
    base_gradients.erase("l1.bias");  // before a BatchNorm: 0 but for rounding
    ExpectGradients(*base, base_gradients);
    ExpectGradients(*predictor, c.Under(out + "grad.predictor."));
    optimizer->step();
  }
  // l1.bias stands before a BatchNorm: AdamW makes rounding noise of it (5e-4), which its running
  // mean follows.
  const auto settled = [&](const char* name) {
    TensorDict state = c.Under(name);
    state.erase("l1.bias");
    if (vit) state.erase("bn.running_mean");
    return state;
  };
  ExpectState(*base, settled("final.base_encoder."), 1e-5);
  ExpectState(*momentum, settled("final.momentum_encoder."), 1e-5);
  ExpectState(*predictor, c.Under("final.predictor."), 1e-5);
}

TEST(MocoV3Golden, StepsWithLars) {
  for (const GoldenCase& c : GoldenCases("03_mocov3_step_resnet")) RunV3Case(c, false);
}

TEST(MocoV3Golden, StepsWithAdamW) {
  for (const GoldenCase& c : GoldenCases("03_mocov3_step_vit")) RunV3Case(c, true);
}

TEST(KeyQueue, OldestGoFirstAndColumnsHaveUnitLength) {
  Rng rng(3);
  KeyQueue queue(4, 6, rng);
  const auto start = queue->named_buffers()["queue"].clone();
  EXPECT_TRUE(IsClose(start.square().sum(0), torch::ones({6}), {.absolute = 1e-6}));
  queue->Enqueue(torch::full({3, 4}, 1.0f));
  queue->Enqueue(torch::full({3, 4}, 2.0f));
  queue->Enqueue(torch::full({3, 4}, 3.0f));
  const auto now = queue->named_buffers()["queue"];
  EXPECT_EQ(now[0][0].item<float>(), 3);
  EXPECT_EQ(now[0][3].item<float>(), 2);
  EXPECT_EQ(queue->named_buffers()["queue_ptr"].item<int64_t>(), 3);
  EXPECT_THROW(queue->Enqueue(torch::ones({4, 4})), Error);
}

}  // namespace
}  // namespace v2r
