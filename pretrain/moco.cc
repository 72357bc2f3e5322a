#include "pretrain/moco.h"

#include <utility>

#include "core/error.h"
#include "core/torch_rng.h"
#include "learn/ema.h"
#include "models/init.h"
#include "models/split_batchnorm.h"
#include "models/vit.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

torch::nn::Sequential MocoHead(const std::string& kind, int64_t in, int64_t out) {
  torch::nn::Sequential head;
  if (kind == "mlp") {
    head->push_back(torch::nn::Linear(in, in));
    head->push_back(torch::nn::ReLU());
  }
  if (kind != "none") head->push_back(torch::nn::Linear(in, out));
  return head;
}

// Copies weights and statistics of `from` into `into`, which gets no gradient.
void MakeKeyHead(torch::nn::Sequential& into, const torch::nn::Sequential& from,
                 const torch::Device& device) {
  into->to(device);
  CopyState(*into, *from);
  Freeze(*into);
  into->train();
}

torch::Tensor Through(torch::nn::Sequential head, const torch::Tensor& x) {
  return head->is_empty() ? x : head->forward(x);
}

void RequireRoomInQueue(const PretrainOptions& options) {
  const int64_t keys = options.batch_size * (options.symmetric ? 2 : 1);
  if (options.queue_size % keys == 0) return;
  ThrowUser(
      "pretrain.queue_size={}: has to be a multiple of the {} keys of a step (batch_size={}{}), "
      "e.g. {}",
      options.queue_size, keys, options.batch_size, options.symmetric ? ", twice: symmetric" : "",
      std::max<int64_t>(1, options.queue_size / keys) * keys);
}

double Share(const torch::Tensor& hits) { return hits.to(torch::kFloat).mean().item<double>(); }

}  // namespace

Moco::Moco(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  RequireRoomInQueue(options_);
  const int64_t features = net_->output_dim();
  const bool has_head = options_.moco_head != "none";
  const int64_t dim = has_head ? options_.projection_dim : features;
  head_ = MocoHead(options_.moco_head, features, dim);
  key_head_ = MocoHead(options_.moco_head, features, dim);
  InitWeights(*head_, rng, ConvInit::kUniform);
  if (has_head) AddTrained("head", head_.ptr());
  queue_ = KeyQueue(dim, options_.queue_size, rng);
  const torch::Device device = net_->parameters().at(0).device();
  queue_->to(device);
  key_net_ = MomentumNet(net_);
  MakeKeyHead(key_head_, head_, device);
  if (options_.bn_splits == 1) return;
  if (options_.batch_size % options_.bn_splits != 0) {
    ThrowUser("pretrain.bn_splits={} does not divide batch_size={}", options_.bn_splits,
              options_.batch_size);
  }
  SetBatchNormSplits(*key_net_, options_.bn_splits);
  if (SetBatchNormSplits(*net_, options_.bn_splits) == 0) {
    ThrowUser(
        "pretrain.bn_splits={}: encoder.arch={} has no BatchNorm to split; leave it at 1, or take "
        "a resnet, or conv4 with encoder.norm=batch",
        options_.bn_splits, net_->spec().arch);
  }
}

// The net is initialised to the data after it was handed over: its copy starts where it does.
void Moco::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  RequireDistinctFrames(clips, options_);
  CopyState(*key_net_, *net_);
}

PretrainBatch Moco::Views(const ClipSet& clips, Rng& rng) const {
  return {{{"views", TwoViews(clips, options_, net_->spec(), rng)}}};
}

Pretrainer::StepResult Moco::Loss(const PretrainBatch& batch, int64_t step) {
  const auto views = Normalise(net_->spec(), batch.tensors.at("views")).chunk(2);
  const int64_t part = Part(step);
  if (part == 0) {
    const double momentum = EmaMomentum(options_, step);
    EmaUpdate(*key_net_, *net_, momentum);
    EmaUpdate(*key_head_, *head_, momentum);
  }
  std::vector<torch::Tensor> permutations;
  if (options_.bn_splits > 1) {
    Rng rng =
        Rng(options_.seed).Fork("moco_shuffle", step * options_.gradient_accumulation_steps + part);
    for (int k = 0; k < (options_.symmetric ? 2 : 1); ++k) {
      permutations.push_back(RandomPermutation(rng, options_.batch_size).to(views[0].device()));
    }
  }
  const auto query = [&](const torch::Tensor& x) {
    return Mixed([&] { return Through(head_, net_->forward(x)); });
  };
  const auto key = [&](const torch::Tensor& x) {
    return Mixed([&] { return Through(key_head_, key_net_->forward(x)); });
  };
  const MocoStep result = MocoLoss(query, key, *queue_, views[0], views[1], options_.temperature,
                                   options_.symmetric, permutations);
  keys_.push_back(result.keys);
  return {result.loss, {{"pretrain/contrast_acc", Share(result.logits.detach().argmax(1).eq(0))}}};
}

void Moco::AfterStep(int64_t /*step*/, int64_t /*total_steps*/) {
  for (const auto& keys : keys_) queue_->Enqueue(keys);
  keys_.clear();
}

StateDict Moco::SaveState() const {
  StateDict state = Method::SaveState();
  Merge(state, "key_net", ToStateDict(ModuleState(*key_net_)));
  Merge(state, "key_head", ToStateDict(ModuleState(*key_head_)));
  Merge(state, "queue", ToStateDict(ModuleState(*queue_)));
  return state;
}

void Moco::LoadState(const StateDict& state) {
  Method::LoadState(state);
  const auto load = [&](torch::nn::Module& module, const std::string& name) {
    LoadModuleState(module, ToTensors(Under(state, name)), "pretraining checkpoint, " + name);
  };
  load(*key_net_, "key_net");
  load(*key_head_, "key_head");
  load(*queue_, "queue");
}

MocoV3::MocoV3(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseFrozenEncoder();
  if (options_.stop_grad_conv1) {
    const auto vit = std::dynamic_pointer_cast<VitImpl>(net_);
    if (!vit) {
      ThrowUser(
          "pretrain.stop_grad_conv1=true freezes a transformer's patch embedding; encoder.arch={} "
          "has none",
          net_->spec().arch);
    }
    vit->FreezePatchEmbed();
  }
  const auto projector = [&] {
    return MocoV3Mlp(options_.projection_layers, net_->output_dim(), options_.projection_hidden,
                     options_.projection_dim, /*last_norm=*/true);
  };
  projector_ = projector();
  key_projector_ = projector();
  predictor_ = MocoV3Mlp(2, options_.projection_dim, options_.projection_hidden,
                         options_.projection_dim, options_.predictor_norm);
  InitWeights(*projector_, rng, ConvInit::kUniform);
  InitWeights(*predictor_, rng, ConvInit::kUniform);
  AddTrained("projector", projector_.ptr());
  AddTrained("predictor", predictor_.ptr());
  key_net_ = MomentumNet(net_);
  MakeKeyHead(key_projector_, projector_, net_->parameters().at(0).device());
}

void MocoV3::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  RequireDistinctFrames(clips, options_);
  CopyState(*key_net_, *net_);
}

PretrainBatch MocoV3::Views(const ClipSet& clips, Rng& rng) const {
  return {{{"views", TwoViews(clips, options_, net_->spec(), rng)}}};
}

Pretrainer::StepResult MocoV3::Loss(const PretrainBatch& batch, int64_t step) {
  const auto views = Normalise(net_->spec(), batch.tensors.at("views")).chunk(2);
  const auto query = [&](const torch::Tensor& x) {
    return Mixed([&] { return predictor_->forward(projector_->forward(net_->forward(x))); });
  };
  const auto key = [&](const torch::Tensor& x) {
    return Mixed([&] { return key_projector_->forward(key_net_->forward(x)); });
  };
  const auto q1 = query(views[0]), q2 = query(views[1]);
  torch::Tensor k1, k2;
  {
    const torch::NoGradGuard no_grad;
    if (Part(step) == 0) {
      const double momentum = EmaMomentum(options_, step);
      EmaUpdate(*key_net_, *net_, momentum);
      EmaUpdate(*key_projector_, *projector_, momentum);
    }
    k1 = key(views[0]);
    k2 = key(views[1]);
  }
  const auto loss =
      MocoV3Loss(q1, k2, options_.temperature) + MocoV3Loss(q2, k1, options_.temperature);
  const auto nearest =
      torch::matmul(q1.detach(), torch::nn::functional::normalize(k2).t()).argmax(1);
  const auto own = torch::arange(nearest.size(0), nearest.options());
  return {loss, {{"pretrain/contrast_acc", Share(nearest.eq(own))}}};
}

StateDict MocoV3::SaveState() const {
  StateDict state = Method::SaveState();
  Merge(state, "key_net", ToStateDict(ModuleState(*key_net_)));
  Merge(state, "key_projector", ToStateDict(ModuleState(*key_projector_)));
  return state;
}

void MocoV3::LoadState(const StateDict& state) {
  Method::LoadState(state);
  LoadModuleState(*key_net_, ToTensors(Under(state, "key_net")), "pretraining checkpoint, key_net");
  LoadModuleState(*key_projector_, ToTensors(Under(state, "key_projector")),
                  "pretraining checkpoint, key_projector");
}

}  // namespace v2r
