#include "models/vit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "core/torch_rng.h"
#include "models/init.h"
#include "models/plan.h"
#include "models/positions.h"

namespace v2r {
namespace {

constexpr double kBackgroundFloor = 0.1;  // a pixel that never moves must not be blown up

const std::map<std::string, VitShape>& Shapes() {
  static const std::map<std::string, VitShape> shapes = {{"vit_micro", {128, 4, 4}},
                                                         {"vit_tiny", {192, 12, 3}},
                                                         {"vit_small", {384, 12, 6}},
                                                         {"vit_base", {768, 12, 12}},
                                                         {"vit_large", {1024, 24, 16}},
                                                      {"vit_huge", {1280, 32, 16}}};
  return shapes;
}

// The module "patch_embed" with its one child "proj".
struct PatchEmbedImpl : public torch::nn::Module {
  template <typename Projection>
  explicit PatchEmbedImpl(const Projection& proj) {
    register_module("proj", proj);
  }
};

// ConvStem of moco-v3 vits.py, patch 16: four halvings, channels D/8, D/4, D/2, D, then 1x1.
torch::nn::Sequential ConvStem(int64_t in, int64_t dim) {
  torch::nn::Sequential stem;
  for (int64_t out = dim / 8; out <= dim; out *= 2) {
    stem->push_back(
        torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).stride(2).padding(1).bias(false)));
    stem->push_back(torch::nn::BatchNorm2d(out));
    stem->push_back(torch::nn::ReLU());
    in = out;
  }
  stem->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(dim, dim, 1)));
  return stem;
}

torch::Tensor Symmetric(Rng& rng, at::IntArrayRef shape, double bound) {
  return (RandomUniform(rng, shape) * 2 - 1) * bound;
}

double XavierBound(int64_t in, int64_t out) {
  return std::sqrt(6.0 / static_cast<double>(in + out));
}

}  // namespace

bool IsVit(const std::string& arch) { return Shapes().contains(arch); }

VitShape VitShapeOf(const EncoderSpec& spec) {
  V2R_CHECK(IsVit(spec.arch), "arch {}", spec.arch);
  VitShape shape = Shapes().at(spec.arch);
  if (spec.depth > 0) shape.depth = spec.depth;
  if (spec.heads > 0) shape.heads = spec.heads;
  if (spec.width != 1.0) {
    // A multiple of the heads and, for sine-cosine positions and the stem, of 8.
    const int64_t step = std::lcm<int64_t>(shape.heads, 8);
    const double wanted = static_cast<double>(shape.dim) * spec.width / static_cast<double>(step);
    shape.dim = step * std::max<int64_t>(1, std::lround(wanted));
  }
  return shape;
}

VitInit VitInitOf(const EncoderSpec& spec) {
  if (!spec.cls_token) return VitInit::kIjepa;
  if (spec.positions == "sincos") return VitInit::kMae;
  return spec.positions == "sincos_mocov3" ? VitInit::kMocoV3 : VitInit::kDino;
}

std::string SinCosLayoutOf(const EncoderSpec& spec) {
  return spec.positions == "sincos_mocov3" ? "mocov3" : "mae";
}

VitImpl::VitImpl(const EncoderSpec& spec, const VitShape& shape)
    : EncoderNetImpl(spec), shape_(shape) {
  const int64_t in = 3 * spec.frame_stack, dim = shape.dim, patch = spec.patch_size;
  V2R_CHECK(spec.input_size % patch == 0, "input {} of patches {}", spec.input_size, patch);
  const int64_t side = spec.input_size / patch;
  if (spec.cls_token) cls_token_ = register_parameter("cls_token", torch::zeros({1, 1, dim}));
  if (spec.positions == "learned") {
    positions_ = register_parameter("pos_embed",
                                    torch::zeros({1, spec.cls_token + side * side, dim}));
  } else {
    positions_ = register_buffer(
        "pos_embed", SinCosTable(dim, side, side, SinCosLayoutOf(spec), spec.cls_token));
  }
  if (spec.registers > 0) {
    register_tokens_ =
        register_parameter("register_tokens", torch::zeros({1, spec.registers, dim}));
  }
  if (spec.background == "subtract") {
    const std::vector<int64_t> picture = {1, in, spec.input_size, spec.input_size};
    background_mean_ = register_buffer("background_mean", torch::zeros(picture));
    background_deviation_ = register_buffer("background_deviation", torch::ones(picture));
  }
  if (spec.drop_path > 0) {
    drop_draws_ = register_buffer("drop_path_draws", torch::zeros({}, torch::kLong));
  }
  if (spec.stem == "conv") {
    stem_ = ConvStem(in, dim);
    register_module("patch_embed", std::make_shared<PatchEmbedImpl>(stem_));
  } else {
    patch_ = torch::nn::Conv2d(torch::nn::Conv2dOptions(in, dim, patch).stride(patch));
    register_module("patch_embed", std::make_shared<PatchEmbedImpl>(patch_));
  }
  blocks_ = RegisterVitBlocks(*this, "blocks", shape.depth, dim, shape.heads, spec.layer_scale);
  SetDropPath(spec.drop_path);
  norm_ = register_module("norm", VitNorm(dim));
  output_dim_ = spec.pooling == "flatten" ? side * side * dim : dim;
  if (spec.embedding_dim > 0) {
    fc_ = register_module("fc", torch::nn::Linear(output_dim_, spec.embedding_dim));
    output_dim_ = spec.embedding_dim;
  }
}

void VitImpl::SetDropPath(double rate) {
  const auto last = std::max<double>(1, static_cast<double>(blocks_.size()) - 1);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i]->drop_path = rate * static_cast<double>(i) / last;
  }
}

torch::Tensor VitImpl::Input(const torch::Tensor& x) const {
  if (!background_mean_.defined()) return x;
  return (x - background_mean_) / background_deviation_;
}

torch::Tensor VitImpl::UndoInput(const torch::Tensor& x) const {
  if (!background_mean_.defined()) return x;
  return x * background_deviation_ + background_mean_;
}

torch::Tensor VitImpl::PatchTokens(const torch::Tensor& x) {
  V2R_CHECK(x.dim() == 4 && x.size(2) % spec_.patch_size == 0 && x.size(3) % spec_.patch_size == 0,
            "input [{}] for patches of {}", fmt::join(x.sizes(), ", "), spec_.patch_size);
  torch::Tensor y;
  if (patch_.is_empty()) {
    const auto first = stem_[0]->as<torch::nn::Conv2d>()->weight.scalar_type();
    y = stem_->forward(x.to(first));
  } else {
    y = patch_->forward(x.to(patch_->weight.scalar_type()));
  }
  return y.flatten(2).transpose(1, 2).to(norm_->weight.scalar_type());
}

torch::Tensor VitImpl::Positions(int64_t rows, int64_t cols) {
  return InterpolatePositionsDino(positions_, rows, cols);
}

int64_t VitImpl::extra_tokens() const { return spec_.cls_token + spec_.registers; }

torch::Tensor VitImpl::Tokens(const torch::Tensor& x) {
  auto tokens = PatchTokens(Input(x));
  const auto expanded = [&](const torch::Tensor& t) { return t.expand({x.size(0), -1, -1}); };
  if (spec_.cls_token) tokens = torch::cat({expanded(cls_token_), tokens}, 1);
  tokens = tokens + Positions(x.size(2) / spec_.patch_size, x.size(3) / spec_.patch_size);
  if (spec_.registers == 0) return tokens;
  return torch::cat({tokens.slice(1, 0, spec_.cls_token), expanded(register_tokens_),
                     tokens.slice(1, spec_.cls_token)},
                    1);
}

torch::Tensor VitImpl::Blocks(torch::Tensor tokens) {
  if (is_training() && blocks_.back()->drop_path > 0) {
    // A counter that is saved with the weights: a continued run drops what the whole one would.
    Rng rng(static_cast<uint64_t>(drop_draws_.item<int64_t>()));
    drop_draws_.add_(1);
    for (auto& block : blocks_) tokens = block->forward(tokens, &rng);
  } else {
    for (auto& block : blocks_) tokens = block->forward(tokens);
  }
  return norm_->forward(tokens);
}

torch::Tensor VitImpl::Pool(const torch::Tensor& tokens) const {
  if (spec_.pooling == "cls") return tokens.select(1, 0);
  const auto patches = tokens.slice(1, extra_tokens());
  return spec_.pooling == "avg" ? patches.mean(1) : patches.flatten(1);
}

torch::Tensor VitImpl::Pooled(const torch::Tensor& x) { return Pool(Blocks(Tokens(x))); }

torch::Tensor VitImpl::forward(torch::Tensor x) {
  x = Pooled(x);
  return fc_.is_empty() ? x : fc_->forward(x);
}

std::vector<torch::Tensor> VitImpl::IntermediateLayers(const torch::Tensor& x, int64_t count) {
  V2R_CHECK(count >= 1 && count <= shape_.depth, "{} of {} blocks", count, shape_.depth);
  std::vector<torch::Tensor> outputs;
  auto tokens = Tokens(x);
  for (int64_t i = 0; i < shape_.depth; ++i) {
    tokens = blocks_[i]->forward(tokens);
    if (i >= shape_.depth - count) outputs.push_back(norm_->forward(tokens));
  }
  return outputs;
}

torch::Tensor VitImpl::LastAttention(const torch::Tensor& x) {
  auto tokens = Tokens(x);
  for (size_t i = 0; i + 1 < blocks_.size(); ++i) tokens = blocks_[i]->forward(tokens);
  return blocks_.back()->AttentionOf(tokens);
}

void VitImpl::FreezePatchEmbed() {
  if (patch_.is_empty()) {
    ThrowUser("encoder.stem=conv needs no frozen patch embedding: that is for stem=patch");
  }
  for (auto& parameter : patch_->parameters()) parameter.requires_grad_(false);
}

void VitImpl::SetBackground(const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  V2R_CHECK(background_mean_.defined() && x.size(0) >= 2, "background of {} pictures", x.size(0));
  background_mean_.copy_(x.mean(0, /*keepdim=*/true));
  background_deviation_.copy_(x.std(0, /*unbiased=*/false, /*keepdim=*/true) + kBackgroundFloor);
}

void VitImpl::Init(Rng& rng, VitInit init) {
  const torch::NoGradGuard no_grad;
  // PyTorch's own for the stem, `fc` and what is not named below.
  InitWeights(*this, rng, ConvInit::kUniform);
  const Rng base(rng.NextU64());
  const bool dino = init == VitInit::kDino, moco = init == VitInit::kMocoV3;
  const bool ijepa = init == VitInit::kIjepa;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    auto parameter = item.value();
    Rng stream = base.Fork(name);
    const auto normal = [&](double deviation) {
      parameter.copy_(RandomNormal(stream, parameter.sizes()) * deviation);
    };
    if (name == "cls_token") {
      normal(moco ? 1e-6 : 0.02);
    } else if (name == "register_tokens") {
      normal(1e-6);
    } else if (name == "pos_embed") {
      normal(0.02);
    } else if (name.starts_with("blocks.") && parameter.dim() == 2) {
      const int64_t out = parameter.size(0) / (moco && name.ends_with("qkv.weight") ? 3 : 1);
      if (dino || ijepa) {
        normal(0.02);
      } else {
        parameter.copy_(Symmetric(stream, parameter.sizes(), XavierBound(parameter.size(1), out)));
      }
    } else if (name.starts_with("blocks.") && name.ends_with("bias")) {
      parameter.zero_();
    } else if (name == "patch_embed.proj.weight" && ijepa) {
      normal(0.02);
    } else if (name == "patch_embed.proj.weight" && !dino) {
      const int64_t fan_in = parameter.numel() / parameter.size(0);
      parameter.copy_(Symmetric(stream, parameter.sizes(), XavierBound(fan_in, parameter.size(0))));
    } else if (name == "patch_embed.proj.bias" && (moco || ijepa)) {
      parameter.zero_();
    }
  }
  for (auto& item : named_modules()) {
    if (auto* layer = item.value()->as<torch::nn::LayerNormImpl>()) {
      layer->weight.fill_(1);
      layer->bias.zero_();
    }
  }
  if (drop_draws_.defined()) drop_draws_.fill_(static_cast<int64_t>(rng.NextU64() >> 2));
}

// A transformer has nothing to fold: the plan calls a frozen copy of it, whose linear layers and
// convolutions have the plan's number type and whose tokens, norms and sums stay float32.
void VitImpl::Trace(InferencePlan& plan) const {
  const torch::NoGradGuard no_grad;
  EncoderSpec spec = spec_;
  spec.embedding_dim = 0;
  const auto copy = std::make_shared<VitImpl>(spec, shape_);
  TensorDict state = ModuleState(*this);
  std::erase_if(state, [](const auto& item) { return item.first.starts_with("fc."); });
  LoadModuleState(*copy, state, "copy for inference");
  copy->to(plan.device());
  for (auto& module : copy->modules(/*include_self=*/false)) {
    const bool multiplies = module->as<torch::nn::LinearImpl>() != nullptr ||
                            module->as<torch::nn::Conv2dImpl>() != nullptr;
    if (multiplies) module->to(plan.dtype());
  }
  for (auto& parameter : copy->parameters()) parameter.requires_grad_(false);
  copy->eval();
  auto y = plan.Call(plan.input(), copy->output_dim(),
                     [copy](const torch::Tensor& x) { return copy->Pooled(x); });
  if (!fc_.is_empty()) y = plan.Linear(y, fc_);
  plan.Finish(y);
}

EncoderNet MakeVit(const EncoderSpec& spec) {
  return std::make_shared<VitImpl>(spec, VitShapeOf(spec));
}

}  // namespace v2r
