// The layers of an encoder from the input on, by the names of their parameters.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>

#include "models/encoder.h"

namespace v2r {

// Number of a parameter's or module's layer. Transformers: patch embedding, cls token, positions
// and registers 0, block i i+1, what follows depth+1 (facebookresearch/mae util/lr_decay.py).
// ResNets: stem 0, groups 1 to 4, `fc` 5. Other convolutional nets: convolution i i, `fc` their
// number.
int64_t LayerOf(const EncoderNetImpl& net, const std::string& name);
// The number of what follows the last block: a classifier's too.
int64_t LastLayer(const EncoderNetImpl& net);

// The parameters of layers 0 .. last get no gradient.
void FreezeLayers(EncoderNetImpl& net, int64_t last);
// Their modules in eval mode: BatchNorm takes and keeps the statistics it has. To be repeated after
// train().
void FreezeModes(EncoderNetImpl& net, int64_t last);

}  // namespace v2r
