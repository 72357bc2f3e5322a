// What a pretraining run starts from: the clips it learns from, the network, the optimiser.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/options.h"

namespace v2r {

// UserError for settings that no method can work with.
void CheckOptions(const PretrainOptions& options);

// The clips whose label is among options.labels, in their order, their frames brought to
// spec.input_size as the encoder will do it. A warning where the data has none of
// a label; UserError naming the labels there are when it has none of all, or no clip can have that
// name.
ClipSet SelectClips(const PretrainOptions& options, const EncoderSpec& spec, const ClipSet& clips);

struct StartingNet {
  EncoderNet net;                     // on the CPU
  std::map<std::string, Head> heads;  // of the file it came from
};
// Fresh weights from `rng`, or those of options.init_from: that file's spec wins, but for
// options.init_input_size and spec.drop_path (pretrain/adapt.h). UserError naming the key when
// `spec` asks for something else (a value that is neither the default nor the file's).
StartingNet MakeStartingNet(const PretrainOptions& options, const EncoderSpec& spec, Rng& rng);

// adamw and adam with beta1 .9, sgd with momentum .9, lars as in MoCo v3 (learn/lars.h) with
// momentum .9, lars_clip as in solo-learn's recipes with trust .02 and momentum .9. A group has the
// parameters of one `scale` (empty: all 1) that decay, or that do not. The step size of a group is
// set by PretrainStep.
using LearningRateScale = std::function<double(const torch::Tensor& parameter)>;
std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const PretrainOptions& options,
                                                       std::vector<torch::Tensor> parameters,
                                                       const LearningRateScale& scale = {});
// False for parameters of at most one dimension with decay_norm_and_bias=false.
bool Decays(const PretrainOptions& options, const torch::Tensor& parameter);

}  // namespace v2r
