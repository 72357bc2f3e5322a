// Encoder: pictures in, embeddings out. Everything between pixels and embedding (shrinking, colour
// order, mean and deviation, the distance it was trained for, named heads) is part of the encoder
// file, so pretraining and reward cannot drift apart.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "core/tensor_file.h"

namespace v2r {

class InferencePlan;

// What an encoder is, besides its weights. Written as metadata of the encoder file.
struct EncoderSpec {
  std::string arch = "conv4";
  double width = 1.0;
  int64_t embedding_dim = 64;
  int64_t input_size = 64;
  std::string resize = "area";
  std::string pooling = "flatten";
  int64_t frame_stack = 1;
  std::vector<double> mean = {0.5, 0.5, 0.5};
  std::vector<double> std = {0.5, 0.5, 0.5};
  std::string metric = "l2";
  // vision transformers
  int64_t patch_size = 8;
  std::string positions = "learned";
  std::string stem = "patch";
  int64_t depth = 0;
  int64_t heads = 0;
  double drop_path = 0;
  std::string background = "none";
  bool cls_token = true;
  int64_t registers = 0;
  double layer_scale = 0;
  // residual networks (and stem)
  std::string variant = "torchvision";
  double sk_ratio = 0;
  // conv4, nature
  std::string norm = "none";

  template <typename V>
  void Fields(V& v) {
    v("arch", arch,
      "backbone: conv4, nature, resnet18, resnet34, resnet50, resnet101, vit_micro, vit_tiny, "
      "vit_small, vit_base, vit_large, vit_huge, or pixels (no network)");
    v("width", width, "multiplier of all channel numbers (not of embedding_dim)",
      InRange(0.03125, 4.0));
    v("embedding_dim", embedding_dim,
      "D; 0 = the backbone's own features without a last linear layer", AtLeast(0));
    v("input_size", input_size, "height and width the network sees", InRange(16, 1024));
    v("resize", resize,
      "how a picture of another size is brought to input_size; bilinear and bicubic antialiased",
      OneOf({"area", "bilinear", "bicubic"}));
    v("pooling", pooling,
      "what ends the backbone: flatten keeps positions, avg is global average pooling, cls is a "
      "transformer's own token",
      OneOf({"flatten", "avg", "cls"}));
    v("frame_stack", frame_stack, "pictures stacked along the channels", InRange(1, 8));
    v("mean", mean, "per-channel mean of pixels in [0,1]");
    v("std", std, "per-channel deviation of pixels in [0,1]");
    v("metric", metric, "the distance the embedding was trained for", OneOf({"l2", "cosine"}));
    v("patch_size", patch_size, "vit: side of a patch in pixels; divides input_size",
      InRange(4, 32));
    v("positions", positions,
      "vit: learned (weights drawn as DINO does), or fixed in MAE's layout (as MAE does) or MoCo "
      "v3's (as MoCo v3 does)",
      OneOf({"learned", "sincos", "sincos_mocov3"}));
    v("stem", stem,
      "vit: patches by one convolution (patch), or MoCo v3's row of 3x3 ones (conv, patch_size "
      "16); "
      "resnet: the variant's own (patch), or a 3x3 convolution of stride 1 without pooling (cifar)",
      OneOf({"patch", "conv", "cifar"}));
    v("depth", depth, "vit: number of blocks, 0 = the arch's", InRange(0, 64));
    v("heads", heads, "vit: number of heads, 0 = the arch's (MoCo v3's vit_small has 12)",
      InRange(0, 64));
    v("drop_path", drop_path,
      "vit: probability, in training, of losing a branch of the last block; 0 at the first",
      InRange(0, 0.9));
    v("background", background,
      "vit: subtract takes the clips' mean picture off the input and divides by each pixel's "
      "deviation",
      OneOf({"none", "subtract"}));
    v("cls_token", cls_token, "vit: a token of its own before the patches; I-JEPA has none");
    v("registers", registers, "vit: DINOv2's register tokens, between cls token and patches",
      InRange(0, 64));
    v("layer_scale", layer_scale,
      "vit: initial factor of each branch, learned by channel (DINOv2: 1e-5); 0 = no such layer",
      InRange(0, 1));
    v("variant", variant,
      "resnet: torchvision's, resnet_d (three 3x3 convolutions first, shortcuts pooled; timm's "
      "resnet50d), or SimCLR's TensorFlow code",
      OneOf({"torchvision", "resnet_d", "simclr"}));
    v("sk_ratio", sk_ratio,
      "resnet, variant=simclr: selective kernels with this share of their channels between (SimCLR "
      "v2: 0.0625), and its pooled shortcuts; 0 = none",
      InRange(0, 1));
    v("norm", norm, "conv4, nature: batch = BatchNorm after each convolution, which then has no bias",
      OneOf({"none", "batch"}));
  }
};

// A trainable backbone + last linear layer ("fc"), torchvision's names for ResNets.
// Forward: float [B, 3*S, input_size, input_size], normalised -> float [B, D].
class EncoderNetImpl : public torch::nn::Module {
 public:
  explicit EncoderNetImpl(const EncoderSpec& spec) : spec_(spec) {}
  virtual torch::Tensor forward(torch::Tensor x) = 0;
  // The layer whose output is the embedding: data-dependent initialisation acts on it. Null when
  // embedding_dim is 0.
  virtual torch::nn::Linear last_linear() = 0;
  virtual int64_t output_dim() const = 0;
  // True when forward() takes other heights and widths than input_size (multi-crop).
  virtual bool any_size() const { return spec_.pooling == "avg"; }
  // Writes the forward pass of eval mode into `plan`, BatchNorm folded: what Encoder::Embed runs.
  virtual void Trace(InferencePlan& plan) const = 0;
  const EncoderSpec& spec() const { return spec_; }

 protected:
  EncoderSpec spec_;
};
using EncoderNet = std::shared_ptr<EncoderNetImpl>;

std::vector<std::string> EncoderArchNames();
// UserError naming the key: unknown arch, mean or std not three numbers, an input that the arch
// cannot shrink that far.
void CheckSpec(const EncoderSpec& spec);
// Fresh weights from `rng` alone. UserError: unknown arch with the nearest name, sizes that do not
// fit.
EncoderNet MakeEncoderNet(const EncoderSpec& spec, Rng& rng);
// uint8 [B,(S,)H,W,3] -> float [B,3*S,input_size,input_size], shrunk and normalised as the spec
// says; same device; channels-last in memory. Channel 3*s+c is colour c of picture s.
torch::Tensor Preprocess(const EncoderSpec& spec, const torch::Tensor& frames);
// Zero mean and unit deviation per output dimension over `x` (float, as forward takes it; in the
// mode, train or eval, the net is in), by rescaling the last linear layer. A dimension that is
// constant over x is only shifted. UserError: embedding_dim is 0.
void DataDependentInit(EncoderNetImpl& net, const torch::Tensor& x);

// A small MLP on the (optionally standardised) embedding, ReLU between layers. Parameters
// layers.I.*, I counts linear layers, BatchNorms and ReLUs.
struct HeadSpec {
  int64_t in_dim = 0;
  std::vector<int64_t> hidden;  // {} = one linear layer
  int64_t out_dim = 1;
  std::string norm = "none";

  template <typename V>
  void Fields(V& v) {
    v("in_dim", in_dim, "length of the embedding (or of what is put together from several)",
      AtLeast(1));
    v("hidden", hidden, "widths of the hidden layers");
    v("out_dim", out_dim, "length of the output", AtLeast(1));
    v("norm", norm,
      "batch: the hidden layers are those of SimCLR's projection head, linear without bias, "
      "BatchNorm, ReLU; none: linear, ReLU",
      OneOf({"none", "batch"}));
  }
};
class HeadImpl : public torch::nn::Module {
 public:
  HeadImpl(const HeadSpec& spec, Rng& rng);
  torch::Tensor forward(torch::Tensor z);  // [..., in_dim] -> [..., out_dim]
  // Standardises the input by mean and deviation over z [B, in_dim]; identity until called.
  void SetStandardisation(const torch::Tensor& z);
  const HeadSpec& spec() const { return spec_; }

 private:
  HeadSpec spec_;
  torch::Tensor mean_, deviation_;
  torch::nn::Sequential layers_{nullptr};
};
using Head = std::shared_ptr<HeadImpl>;

// An encoder ready for inference: eval mode, BatchNorm folded, no gradient.
class Encoder {
 public:
  const EncoderSpec& spec() const { return spec_; }
  int64_t embedding_dim() const { return embedding_dim_; }
  // uint8 [B,(S,)H,W,3] RGB of any size, any device -> float32 [B,D] on the encoder's device.
  // `dtype` of the file's user decides whether convolutions run in bf16. Independent of the other
  // rows of the batch. May be called from several threads.
  torch::Tensor Embed(const torch::Tensor& frames) const;
  // Distance of the metric the encoder was trained for: a, b [..., D] -> [...]. l2: ||a-b||;
  // cosine: 1 - cos.
  torch::Tensor Distance(const torch::Tensor& a, const torch::Tensor& b) const;
  bool HasHead(const std::string& name) const { return heads_.contains(name); }
  std::vector<std::string> HeadNames() const;
  // z [..., in_dim] -> [..., out_dim], float32. UserError naming the heads there are.
  torch::Tensor ApplyHead(const std::string& name, const torch::Tensor& z) const;
  // Hash of spec and weights (as stored, before folding and bf16).
  const std::string& Fingerprint() const { return fingerprint_; }
  // Free-form facts of the file: "method", "data", "iterations", ...
  const std::map<std::string, std::string>& info() const { return info_; }
  torch::Device device() const { return device_; }

 private:
  friend Encoder MakeEncoder(EncoderNet, const std::map<std::string, Head>&, const torch::Device&,
                             const std::string&, std::map<std::string, std::string>);
  EncoderSpec spec_;
  int64_t embedding_dim_ = 0;
  std::shared_ptr<const InferencePlan> plan_;
  std::map<std::string, Head> heads_;
  std::map<std::string, std::string> info_;
  std::string fingerprint_;
  torch::Device device_ = torch::kCPU;
};

// Copies the net, folds BatchNorm, converts. dtype: "float32" or "bfloat16" (convolutions only; the
// last linear layer and the heads stay float32). UserError: another dtype.
Encoder MakeEncoder(EncoderNet net, const std::map<std::string, Head>& heads,
                    const torch::Device& device, const std::string& dtype,
                    std::map<std::string, std::string> info = {});

// 64-bit hash (16 hex digits) of spec, net and heads.
std::string EncoderFingerprint(const EncoderNetImpl& net, const std::map<std::string, Head>& heads);

// The encoder file: safetensors ("net.*", "head.NAME.*") + metadata (format, spec as JSON, heads,
// info). Atomic.
struct EncoderFile {
  EncoderNet net;  // trainable, as stored
  std::map<std::string, Head> heads;
  std::map<std::string, std::string> info;
};
void SaveEncoder(const std::filesystem::path& path, EncoderNetImpl& net,
                 const std::map<std::string, Head>& heads,
                 const std::map<std::string, std::string>& info);
// UserError: not an encoder file, unknown format or spec key, missing or wrongly shaped tensor (by
// name).
EncoderFile LoadEncoderFile(const std::filesystem::path& path);
Encoder LoadEncoder(const std::filesystem::path& path, const torch::Device& device,
                    const std::string& dtype);

}  // namespace v2r
