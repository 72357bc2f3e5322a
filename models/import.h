// Weights from elsewhere into our networks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/encoder.h"

namespace v2r {

struct ImportResult {
  std::vector<std::string> loaded;   // names of our tensors that were filled
  std::vector<std::string> dropped;  // names of the file's tensors that have no place here: fc,
                                     // when it was not asked for
};

// torchvision's (and timm's) ResNet weights in a safetensors file into a ResNet of full width:
// names map one to one, F16 and BF16 become F32, num_batches_tracked may be missing. keep_fc: the
// last layer too (its shape must fit); else the net's own fc stays. With frame_stack S the first
// convolution's weights are repeated S times and divided by S. UserError: the net is no ResNet, the
// file holds another one, a tensor is missing, left over or wrongly shaped (by name). The net is
// changed only when all fits.
ImportResult ImportResNet(EncoderNetImpl& net, const std::filesystem::path& path, bool keep_fc);

}  // namespace v2r
