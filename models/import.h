// Weights from elsewhere into an encoder, and an encoder's weights under the names of others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/options.h"
#include "models/encoder.h"
#include "models/weights_map.h"

namespace v2r {

struct ImportOptions {
  std::string format = "auto";
  std::string network;
  int64_t input_size = 0;
  std::string position_resize = "dino";
  bool keep_fc = false;
  int64_t frame_stack = 1;
  int64_t heads = 0;
  std::vector<double> mean;
  std::vector<double> std;
  std::string metric;

  template <typename V>
  void Fields(V& v) {
    v("format", format, "whose file it is; auto tells by its names",
      OneOf(
          {"auto", "torchvision", "moco", "mocov3", "dino", "mae", "ijepa", "timm", "vip", "r3m"}));
    v("network", network,
      "which network of the file: encoder_q or encoder_k (moco), base_encoder or momentum_encoder "
      "(mocov3), teacher or student (dino), target_encoder or encoder (ijepa); empty = the first");
    v("input_size", input_size,
      "height and width the encoder will see; 0 = what the weights were trained for",
      InRange(0, 1024));
    v("position_resize", position_resize,
      "how a transformer's positions are brought to another input_size: dino (by the scale factor "
      "(n + 0.1) / N) or deit (by the size)",
      OneOf({"dino", "deit"}));
    v("keep_fc", keep_fc,
      "the last layer's output is the embedding; false: what goes into it (VIP's always stays)");
    v("frame_stack", frame_stack,
      "pictures stacked along the channels: the first layer's weights are repeated, divided by it",
      InRange(1, 8));
    v("heads", heads,
      "of a transformer: 0 = what its width, and for MoCo v3 its code, says (the weights do not)",
      InRange(0, 64));
    v("mean", mean, "per-channel mean of pixels in [0,1]; empty = the source's");
    v("std", std, "per-channel deviation of pixels in [0,1]; empty = the source's");
    v("metric", metric,
      "distance of embeddings, l2 or cosine; empty = cosine for moco, mocov3 and dino, else l2",
      OneOf({"", "l2", "cosine"}));
  }
};

struct ImportResult {
  EncoderNet net;
  WeightsSource source;
  std::string container;             // of the file: see WeightsFile
  std::vector<std::string> loaded;   // names of our tensors that were filled
  std::vector<std::string> dropped;  // the file's tensors that its format is known to have besides
  std::set<std::string> skipped;     // Python classes in the file, never run
  std::string positions;             // how they were brought to another grid, "" = they were not
};

// The encoder in a file of torchvision, MoCo v1-v3, DINO and DINOv2, MAE, I-JEPA, timm, VIP or R3M.
// Architecture, depth, width and patch size follow from the shapes; mean, deviation, size,
// interpolation and metric from the format. A timm transformer's mean and deviation differ from
// model to model: they must be given, but for DINOv2's. num_batches_tracked may be missing.
// UserError: not read, another layout, a tensor missing, left over (unless the format is known to
// have it) or of another shape, each by name; nothing is loaded in part.
ImportResult ImportWeights(const std::filesystem::path& path, const ImportOptions& options);

// Writes the net's weights as safetensors under the names of `names`, torchvision or timm, to be
// loaded with load_state_dict: fc is `fc`, `head` or `heads.head`. -> the tensors written.
// UserError: names have no place for this encoder (conv4, selective kernels, ...).
std::vector<std::string> ExportWeights(const EncoderNetImpl& net, const std::string& names,
                                       const std::filesystem::path& path);

}  // namespace v2r
