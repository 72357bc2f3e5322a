// Which network of whose file: prefixes, names and what is left out, by format (the names of each
// project's own checkpoints; the table is in docs/encoders.md).
#pragma once

#include <string>
#include <vector>

#include "models/weights_file.h"

namespace v2r {

// A network inside a file.
struct WeightsSource {
  std::string format;   // "moco"
  std::string network;  // "encoder_q"; "" where the file has one only
  std::string prefix;   // "state_dict.module.encoder_q."
  bool vit = false;     // else a ResNet
};

// torchvision, moco, ..., without auto.
std::vector<std::string> WeightsFormats();
// format: one of these or "auto"; network: "" = the format's own choice (moco encoder_q, mocov3
// base_encoder, dino teacher, ijepa target_encoder). UserError: no such network in the file, and,
// with auto, a file that two formats would read differently.
WeightsSource FindSource(const WeightsFile& file, const std::string& format,
                         const std::string& network);

// What a tensor of the file is.
struct WeightsName {
  enum class Kind { kOurs, kDropped, kUnknown };
  Kind kind = Kind::kUnknown;
  std::string ours;  // kOurs: the name in our network; the last layer is always "fc.*"
};
// keep_fc: the last layer (fc, head, heads.head) is the network's too, else it is left out.
WeightsName NameOf(const WeightsSource& source, const std::string& theirs, bool keep_fc);

// Why a network with a tensor of this name is none of ours, or "".
std::string HintFor(const std::string& name);
// `ours` in torchvision's or timm's names.
std::string ExportedName(const std::string& ours, bool vit, bool torchvision);

}  // namespace v2r
