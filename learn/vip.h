// Losses that make a distance of embeddings the value of a goal: VIP (Ma et al. 2023), LIV (Ma et
// al. 2023), and R3M's time-contrastive term (Nair et al. 2022). Float tensors on any device; each
// loss is a scalar with gradient.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// How near a and b [...,D] are, [...]: "l2" -||a - b||, "cosine" their cosine. UserError: unknown.
torch::Tensor Similarity(const torch::Tensor& a, const torch::Tensor& b,
                         const std::string& similarity);

// Mean over rows of the p-norm (1 or 2) of z [...,D]: the penalties of VIP and R3M.
torch::Tensor MeanNorm(const torch::Tensor& z, double p);

struct VipSpec {
  double gamma = 0.98;
  std::string similarity = "l2";
  bool rescale = false;  // V / (1 - gamma)
};
// VIP, section 4.1, as in facebookresearch/vip vip/trainer.py and (with rescale)
// penn-pal-lab/LIV liv/trainer.py: V(o) = Similarity(o, goal),
//   (1 - gamma) mean(-V(first)) + log(1e-8 + mean exp(-(-1 + gamma V(next) - V(now)))),
// plus the second term over `permutations` int64 [K,N], each of which sets the transitions now,
// next of other samples against each goal; undefined or K = 0: without. first, now, next, goal
// [N,D]; gradient flows into all of them. Computed in double with a logarithm of sums that does not
// overflow, where the released negatives do beyond a TD error of 88. Returns double.
torch::Tensor VipLoss(const torch::Tensor& first, const torch::Tensor& now,
                      const torch::Tensor& next, const torch::Tensor& goal,
                      const torch::Tensor& permutations, const VipSpec& spec);

// LIV's CLIP term (compute_clip_loss): symmetric cross entropy of the cosines of pictures and texts
// [N,D], row i with row i, without temperature.
torch::Tensor ClipLoss(const torch::Tensor& pictures, const torch::Tensor& texts);

// R3M's contrast (facebookresearch/r3m r3m/trainer.py): -log(eps + e^p / (eps + e^p + sum e^n)),
// eps 1e-8, of positive [N] and negatives [N,K] similarities, [N]. At most -log eps.
torch::Tensor R3mContrast(const torch::Tensor& positive, const torch::Tensor& negatives);

// R3M's time-contrastive term: s0, s1, s2 [N,D] of rising time; s1 is nearer to s2 than s0 is, and
// nearer to s0 than s2 is; further negatives are s2 (s0) of other samples, permutations0,
// permutations2 int64 [K,N] (undefined: none). Mean over N of half the sum of both contrasts.
torch::Tensor R3mTcn(const torch::Tensor& s0, const torch::Tensor& s1, const torch::Tensor& s2,
                     const torch::Tensor& permutations0, const torch::Tensor& permutations2,
                     const std::string& similarity = "l2");

}  // namespace v2r
