// Pretraining methods by name.
#pragma once

#include "core/registry.h"
#include "pretrain/options.h"
#include "pretrain/pretrainer.h"

namespace v2r {

// Make(name, options, net, rng): `net` trainable and on its device, `rng` draws the weights of the
// heads.
using PretrainMethodRegistry = Registry<Pretrainer, const PretrainOptions&, EncoderNet, Rng&>;
const PretrainMethodRegistry& PretrainMethods();

}  // namespace v2r
