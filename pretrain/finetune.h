// How good a representation is as a start: top-1 of a fine-tuned copy.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "pretrain/evaluate.h"

namespace v2r {

// For each of options.label_fractions: the encoder of the file `encoder` and a fresh classifier
// (pretrain/supervised.h) are trained on that share of data.train, class by class; returned is the
// accuracy on data.test in percent, of the last weights. A tenth of the steps is warm-up. Nothing
// is chosen by the test part. The file stays as it is. UserError: fractions outside (0, 1], a loss
// that is not finite, a file without weights.
std::vector<double> FinetuneAccuracies(const std::filesystem::path& encoder,
                                       const LabelledData& data, const FinetuneOptions& options,
                                       int64_t seed, const torch::Device& device);

}  // namespace v2r
