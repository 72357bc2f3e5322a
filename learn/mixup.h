// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch and its labels as timm does
// them (timm/data/mixup.py): picture i of B meets picture B-1-i.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.h"

namespace v2r {

// Rows top .. bottom-1, columns left .. right-1.
struct CutBox {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  int64_t area() const { return (bottom - top) * (right - left); }
};
// The box around (row, column) that lambda asks for: sides floor(side * sqrt(1 - lambda)), cut off
// at the border (timm's rand_bbox; CutMix, equation 2).
CutBox CutBoxAround(int64_t height, int64_t width, double lambda, int64_t row, int64_t column);

struct MixSpec {
  double mixup = 0, cutmix = 0;  // alpha of Beta(alpha, alpha), 0 = off
  double prob = 1;               // that anything happens
  double switch_prob = 0.5;      // of CutMix where both are on
  std::string mode = "batch";    // one draw for the "batch", a "pair" or each "elem"
};
// What happens to one picture.
struct Mix {
  double lambda = 1;  // share of the own picture; for CutMix the share that the box leaves
  bool cut = false;
  CutBox box;
};
// One a picture of `height` x `width`. An even batch. UserError: unknown mode.
std::vector<Mix> DrawMixes(const MixSpec& spec, int64_t batch, int64_t height, int64_t width,
                           Rng& rng);

// x float [B,C,H,W] -> new, same shape.
torch::Tensor MixPictures(const torch::Tensor& x, const std::vector<Mix>& mixes);
// targets int64 [B] in 0 .. classes-1 -> float [B,classes]: rows sum to 1; `smoothing` of each
// target is spread over all classes.
torch::Tensor MixTargets(const torch::Tensor& targets, int64_t classes,
                         const std::vector<Mix>& mixes, double smoothing);

// -sum_c target_c log softmax(logits)_c, mean over the rows; both [B,C] (timm
// SoftTargetCrossEntropy).
torch::Tensor SoftTargetCrossEntropy(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace v2r
