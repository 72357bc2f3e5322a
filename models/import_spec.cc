#include "models/import_spec.h"

#include <array>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "models/vit.h"

namespace v2r {
namespace {

using Shape = std::vector<int64_t>;

constexpr int64_t kImageNetSize = 224;
const std::vector<double> kImageNetMean = {0.485, 0.456, 0.406};
const std::vector<double> kImageNetStd = {0.229, 0.224, 0.225};
// timm and DINOv2 begin at 1e-5; the loaded values take its place.
constexpr double kLayerScale = 1e-5;
constexpr int64_t kMocoV3SmallHeads = 12;

class Inference {
 public:
  Inference(const std::string& file, const WeightsSource& source, const WeightsFile::Shapes& shapes,
            const ImportOptions& options)
      : file_(file), source_(source), shapes_(shapes), options_(options) {}

  EncoderSpec Run() {
    source_.vit ? Vit() : ResNet();
    Preprocessing();
    spec_.frame_stack = options_.frame_stack;
    const auto* fc = Find("fc.weight", 2);
    if (options_.keep_fc && fc == nullptr) {
      ThrowUser("{}: keep_fc=true, but its network has no last linear layer", file_);
    }
    spec_.embedding_dim = fc != nullptr ? fc->at(0) : 0;
    return spec_;
  }

 private:
  const Shape* Find(const std::string& name, size_t dims) const {
    const auto found = shapes_.find(name);
    return found != shapes_.end() && found->second.size() == dims ? &found->second : nullptr;
  }
  const Shape& Require(const std::string& name, size_t dims) const {
    const Shape* shape = Find(name, dims);
    if (shape == nullptr) {
      ThrowUser("{}: lacks the tensor '{}{}' of {} dimensions", file_, source_.prefix, name, dims);
    }
    return *shape;
  }
  int64_t Count(const std::string& before, const std::string& after) const {
    int64_t count = 0;
    while (shapes_.contains(before + std::to_string(count) + after)) ++count;
    return count;
  }

  void ResNet() {
    std::array<int64_t, 4> blocks{};
    for (size_t i = 0; i < blocks.size(); ++i) {
      blocks[i] = Count("layer" + std::to_string(i + 1) + ".", ".conv1.weight");
    }
    const bool bottleneck = shapes_.contains("layer1.0.conv3.weight");
    if (blocks == std::array<int64_t, 4>{2, 2, 2, 2} && !bottleneck) spec_.arch = "resnet18";
    if (blocks == std::array<int64_t, 4>{3, 4, 6, 3})
      spec_.arch = bottleneck ? "resnet50" : "resnet34";
    if (blocks == std::array<int64_t, 4>{3, 4, 23, 3} && bottleneck) spec_.arch = "resnet101";
    if (spec_.arch == EncoderSpec().arch) {
      ThrowUser("{}: a ResNet of {} blocks ({}): known are ResNet-18, 34, 50 and 101", file_,
                fmt::join(blocks, ", "), bottleneck ? "bottlenecks" : "basic");
    }
    const bool deep = shapes_.contains("conv1.0.weight");
    const Shape& first = Require(deep ? "conv1.0.weight" : "conv1.weight", 4);
    const Shape& channels = Require("bn1.weight", 1);
    spec_.width = static_cast<double>(channels[0]) / 64;
    if (deep) spec_.variant = "resnet_d";
    if (!deep && first[2] == 3) spec_.stem = "cifar";
    spec_.pooling = "avg";
    spec_.input_size = options_.input_size > 0 ? options_.input_size : kImageNetSize;
    if (spec_.stem == "cifar" && options_.input_size == 0) spec_.input_size = 32;
  }

  void Vit() {
    spec_.cls_token = shapes_.contains("cls_token");
    const bool conv_stem = shapes_.contains("patch_embed.proj.0.weight");
    const int64_t dim = Require("norm.weight", 1)[0];
    if (conv_stem) {
      spec_.stem = "conv";
      spec_.patch_size = 16;
    } else {
      spec_.patch_size = Require("patch_embed.proj.weight", 4)[2];
    }
    Width(dim);
    const int64_t depth = Count("blocks.", ".norm1.weight");
    EncoderSpec usual;
    usual.arch = spec_.arch;
    if (depth != VitShapeOf(usual).depth) spec_.depth = depth;
    if (const auto* tokens = Find("register_tokens", 3)) spec_.registers = tokens->at(1);
    if (shapes_.contains("blocks.0.ls1.gamma")) spec_.layer_scale = kLayerScale;
    spec_.pooling = spec_.cls_token ? "cls" : "avg";
    const Shape& table = Require("pos_embed", 3);
    if (table[0] != 1 || table[2] != dim) {
      ThrowUser("{}: its positions [{}] are none of tokens of {} channels", file_,
                fmt::join(table, ", "), dim);
    }
    const int64_t rows = table[1];
    const int64_t patches = rows - (spec_.cls_token && !IsSquare(rows));
    if (!IsSquare(patches)) {
      ThrowUser("{}: its positions are of {} patches, which make no square", file_, patches);
    }
    spec_.input_size =
        options_.input_size > 0 ? options_.input_size : SquareSide(patches) * spec_.patch_size;
  }

  // An arch by its width; heads as far as they are known.
  void Width(int64_t dim) {
    spec_.heads = options_.heads;
    for (const std::string& arch : EncoderArchNames()) {
      EncoderSpec candidate;
      candidate.arch = arch;
      if (!IsVit(arch) || VitShapeOf(candidate).dim != dim || arch == "vit_micro") continue;
      spec_.arch = arch;
      const bool small = source_.format == "mocov3" && arch == "vit_small";
      if (small && spec_.heads == 0) spec_.heads = kMocoV3SmallHeads;
      return;
    }
    if (options_.heads == 0) {
      ThrowUser(
          "{}: a transformer of {} channels, which none of vit_tiny to vit_huge has; its weights "
          "do "
          "not say its number of heads: give heads=",
          file_, dim);
    }
    spec_.arch = "vit_micro";
    spec_.width = static_cast<double>(dim) / 128;
  }

  void Preprocessing() {
    const std::string& format = source_.format;
    spec_.mean = options_.mean;
    spec_.std = options_.std;
    const bool dinov2 = source_.vit && spec_.patch_size == 14 && spec_.layer_scale > 0;
    const bool known = format != "timm" || !source_.vit || dinov2;
    if (!known && (spec_.mean.empty() || spec_.std.empty())) {
      ThrowUser(
          "{}: timm's transformers differ in preprocessing, and the weights do not say it: give "
          "mean= and std= (pretrained_cfg of its config.json; augreg [0.5,0.5,0.5], DeiT and DINO "
          "[0.485,0.456,0.406] and [0.229,0.224,0.225])",
          file_);
    }
    if (spec_.mean.empty()) spec_.mean = kImageNetMean;
    if (spec_.std.empty()) spec_.std = kImageNetStd;
    // What each project's evaluation resizes with: bicubic for the transformers and DINO, bilinear
    // for the others.
    const bool cubic = format == "dino" || format == "mae" || format == "timm" || format == "ijepa";
    spec_.resize = cubic ? "bicubic" : "bilinear";
    const bool cosine = format == "moco" || format == "mocov3" || format == "dino";
    spec_.metric = !options_.metric.empty() ? options_.metric : cosine ? "cosine" : "l2";
  }

  const std::string& file_;
  const WeightsSource& source_;
  const WeightsFile::Shapes& shapes_;
  const ImportOptions& options_;
  EncoderSpec spec_;
};

}  // namespace

int64_t SquareSide(int64_t count) {
  return static_cast<int64_t>(std::floor(std::sqrt(static_cast<double>(count))));
}

bool IsSquare(int64_t count) {
  const int64_t side = SquareSide(count);
  return side * side == count;
}

EncoderSpec SpecOf(const std::string& file, const WeightsSource& source,
                   const WeightsFile::Shapes& shapes, const ImportOptions& options) {
  return Inference(file, source, shapes, options).Run();
}

}  // namespace v2r
