// What an EncoderSpec may hold.

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "models/encoder.h"
#include "models/resnet.h"
#include "models/vit.h"

namespace v2r {
namespace {

void CheckColours(const char* key, const std::vector<double>& values, bool positive) {
  if (values.size() != 3) {
    ThrowUser("encoder.{} must be three numbers (red, green, blue), has {}", key, values.size());
  }
  for (const double value : values) {
    if (!std::isfinite(value) || (positive && value <= 0)) {
      ThrowUser("encoder.{} must be {}, has {}", key, positive ? "positive" : "finite", value);
    }
  }
}

void CheckRange(const char* key, double value, double min, double max) {
  if (!(value >= min && value <= max))
    ThrowUser("encoder.{} must be in [{}, {}], is {}", key, min, max, value);
}

void CheckChoice(const char* key, const std::string& value,
                 const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    ThrowUser("encoder.{}: unknown value '{}'{} (known: {})", key, value,
              DidYouMean(value, choices), Join(choices, ", "));
  }
}

void CheckVit(const EncoderSpec& spec) {
  CheckChoice("positions", spec.positions, {"learned", "sincos", "sincos_mocov3"});
  CheckChoice("stem", spec.stem, {"patch", "conv"});
  CheckRange("registers", static_cast<double>(spec.registers), 0, 64);
  CheckRange("layer_scale", spec.layer_scale, 0, 1);
  if (spec.pooling == "cls" && !spec.cls_token) {
    ThrowUser("encoder.pooling=cls needs encoder.cls_token=true: take pooling=avg");
  }
  CheckChoice("background", spec.background, {"none", "subtract"});
  CheckRange("patch_size", static_cast<double>(spec.patch_size), 4, 32);
  CheckRange("depth", static_cast<double>(spec.depth), 0, 64);
  CheckRange("heads", static_cast<double>(spec.heads), 0, 64);
  CheckRange("drop_path", spec.drop_path, 0, 0.9);
  if (spec.input_size % spec.patch_size != 0) {
    ThrowUser("encoder.input_size {} is no multiple of patch_size {}: take {}", spec.input_size,
              spec.patch_size,
              std::max<int64_t>(1, spec.input_size / spec.patch_size) * spec.patch_size);
  }
  if (spec.stem == "conv" && spec.patch_size != 16) {
    ThrowUser("encoder.stem=conv makes patches of 16 pixels; patch_size is {}", spec.patch_size);
  }
  const VitShape shape = VitShapeOf(spec);
  if (shape.dim % shape.heads != 0) {
    ThrowUser("encoder.heads {} does not divide the {} channels of {}", shape.heads, shape.dim,
              spec.arch);
  }
}

// Keys that only transformers read: set for another arch they are a slip.
void RefuseVitKeys(const EncoderSpec& spec) {
  const EncoderSpec unset;
  const auto refuse = [&](const char* key, bool differs) {
    if (differs) {
      ThrowUser("encoder.{} is for transformers (vit_micro, vit_tiny, ...), but arch is {}", key,
                spec.arch);
    }
  };
  refuse("pooling=cls", spec.pooling == "cls");
  refuse("patch_size", spec.patch_size != unset.patch_size);
  refuse("positions", spec.positions != unset.positions);
  refuse("stem", spec.stem != unset.stem && !IsResNet(spec.arch));
  refuse("depth", spec.depth != unset.depth);
  refuse("heads", spec.heads != unset.heads);
  refuse("drop_path", spec.drop_path != unset.drop_path);
  refuse("background", spec.background != unset.background);
  refuse("cls_token", spec.cls_token != unset.cls_token);
  refuse("registers", spec.registers != unset.registers);
  refuse("layer_scale", spec.layer_scale != unset.layer_scale);
}

void CheckResNet(const EncoderSpec& spec) {
  CheckChoice("stem", spec.stem, {"patch", "cifar"});
  CheckChoice("variant", spec.variant, {"torchvision", "resnet_d", "simclr"});
  CheckRange("sk_ratio", spec.sk_ratio, 0, 1);
  if (spec.sk_ratio > 0 && spec.variant != "simclr") {
    ThrowUser("encoder.sk_ratio {} needs encoder.variant=simclr, it is {}", spec.sk_ratio,
              spec.variant);
  }
  if (spec.sk_ratio > 0 && (spec.arch == "resnet18" || spec.arch == "resnet34")) {
    ThrowUser("encoder.sk_ratio is for resnet50 and resnet101: {} has no selective kernels",
              spec.arch);
  }
}

void RefuseResNetKeys(const EncoderSpec& spec) {
  const EncoderSpec unset;
  if (spec.variant != unset.variant || spec.sk_ratio != unset.sk_ratio) {
    ThrowUser("encoder.{} is for residual networks (resnet18, ...), but arch is {}",
              spec.variant != unset.variant ? "variant" : "sk_ratio", spec.arch);
  }
}

}  // namespace

std::vector<std::string> EncoderArchNames() {
  return {"conv4",    "nature",    "resnet18", "resnet34",  "resnet50", "resnet101", "vit_micro",
          "vit_tiny", "vit_small", "vit_base", "vit_large", "vit_huge", "pixels"};
}

void CheckSpec(const EncoderSpec& spec) {
  CheckChoice("arch", spec.arch, EncoderArchNames());
  CheckChoice("resize", spec.resize, {"area", "bilinear", "bicubic"});
  CheckChoice("pooling", spec.pooling, {"flatten", "avg", "cls"});
  CheckChoice("metric", spec.metric, {"l2", "cosine"});
  CheckRange("width", spec.width, 0.03125, 4);
  CheckRange("embedding_dim", static_cast<double>(spec.embedding_dim), 0, 1 << 20);
  CheckRange("input_size", static_cast<double>(spec.input_size), 16, 1024);
  CheckRange("frame_stack", static_cast<double>(spec.frame_stack), 1, 8);
  CheckColours("mean", spec.mean, false);
  CheckColours("std", spec.std, true);
  CheckChoice("norm", spec.norm, {"none", "batch"});
  if (spec.norm != "none" && spec.arch != "conv4" && spec.arch != "nature") {
    ThrowUser("encoder.norm is for conv4 and nature, but arch is {}", spec.arch);
  }
  IsVit(spec.arch) ? CheckVit(spec) : RefuseVitKeys(spec);
  IsResNet(spec.arch) ? CheckResNet(spec) : RefuseResNetKeys(spec);
  if (spec.arch == "nature" && spec.input_size < 36) {
    ThrowUser(
        "encoder.input_size {} is too small for arch nature: its three convolutions need 36 or "
        "more",
        spec.input_size);
  }
}

}  // namespace v2r
