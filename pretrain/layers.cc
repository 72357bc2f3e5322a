#include "pretrain/layers.h"

#include <cstdlib>

#include "models/resnet.h"
#include "models/vit.h"

namespace v2r {
namespace {

// The number after `prefix`, -1 where the name does not start with it.
int64_t NumberAfter(const std::string& name, const std::string& prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return -1;
  return std::atoll(name.c_str() + prefix.size());
}

bool OfResNet(const EncoderNetImpl& net) { return IsResNet(net.spec().arch); }

}  // namespace

int64_t LastLayer(const EncoderNetImpl& net) {
  if (IsVit(net.spec().arch)) return VitShapeOf(net.spec()).depth + 1;
  if (OfResNet(net)) return 5;
  int64_t convolutions = 0;
  for (const auto& child : net.named_children()) convolutions += child.key().starts_with("conv");
  return convolutions;
}

int64_t LayerOf(const EncoderNetImpl& net, const std::string& name) {
  if (IsVit(net.spec().arch)) {
    for (const char* first : {"cls_token", "pos_embed", "register_tokens", "patch_embed"}) {
      if (name.starts_with(first)) return 0;
    }
    const int64_t block = NumberAfter(name, "blocks.");
    return block >= 0 ? block + 1 : LastLayer(net);
  }
  if (OfResNet(net)) {
    if (name.starts_with("conv1") || name.starts_with("bn1")) return 0;
    const int64_t group = NumberAfter(name, "layer");
    return group >= 0 ? group : LastLayer(net);
  }
  const int64_t convolution = NumberAfter(name, "conv");
  return convolution >= 0 ? convolution - 1 : LastLayer(net);
}

void FreezeLayers(EncoderNetImpl& net, int64_t last) {
  for (auto& item : net.named_parameters()) {
    if (LayerOf(net, item.key()) <= last) item.value().set_requires_grad(false);
  }
}

void FreezeModes(EncoderNetImpl& net, int64_t last) {
  for (auto& item : net.named_modules("", /*include_self=*/false)) {
    // A list of blocks ("blocks") has no number of its own.
    if (item.value()->children().empty() && LayerOf(net, item.key()) <= last) item.value()->eval();
  }
}

}  // namespace v2r
