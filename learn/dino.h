// The pure parts of DINO (Caron et al. 2021; facebookresearch/dino): head, loss with centre,
// schedules, gradient clipping.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"

namespace v2r {

struct DinoHeadSpec {
  int64_t in_dim = 0;
  int64_t out_dim = 0;
  int64_t layers = 3;  // of the MLP, >= 1
  int64_t hidden_dim = 2048;
  int64_t bottleneck_dim = 256;
  bool use_bn = false;
  bool norm_last_layer = true;  // the last layer's weight_g stays 1
};

// vision_transformer.py DINOHead: an MLP with GELU (mlp.*), unit length, then a linear layer
// without bias whose rows are weight_v of length weight_g (last_layer.*). Linear layers N(0, .02)
// with bias 0; weight_v as PyTorch draws a linear layer.
class DinoHeadImpl : public torch::nn::Module {
 public:
  DinoHeadImpl(const DinoHeadSpec& spec, Rng& rng);
  torch::Tensor forward(torch::Tensor x);  // [B,in_dim] -> [B,out_dim]
  // No gradient at all, not zero: the optimiser then leaves the last layer alone, decay and moments
  // included (utils.py cancel_gradients_last_layer). Called between backward and step.
  void CancelLastLayerGradients();

 private:
  torch::nn::Sequential mlp_;
  torch::Tensor weight_g_, weight_v_;
};
TORCH_MODULE(DinoHead);

// logits [B,K] (already divided by a temperature) -> assignments [B,K] >= 0: exp(logits) scaled by
// turns so that every output gets B/K and every sample 1, the samples last (facebookresearch/dinov2
// dino_clstoken_loss.py sinkhorn_knopp_teacher: three turns; Caron et al. 2020, SwAV).
torch::Tensor SinkhornKnopp(const torch::Tensor& logits, int64_t turns = 3);

// main_dino.py DINOLoss of one process. The centre is a buffer "center" [1,out_dim], 0 at first.
class DinoLossImpl : public torch::nn::Module {
 public:
  DinoLossImpl(int64_t out_dim, double student_temp, double center_momentum,
               bool sinkhorn = false);
  // student [V*B,K], crop after crop; teacher [2*B,K] of the first two crops, no gradient. Mean
  // over pairs (teacher's crop, another crop) of the mean over samples of the cross entropy of
  // softmax((teacher - center) / teacher_temp) against softmax(student / student_temp). With
  // `sinkhorn` the targets are SinkhornKnopp(teacher / teacher_temp) of all 2*B and the centre is
  // followed but not used.
  torch::Tensor forward(const torch::Tensor& student, const torch::Tensor& teacher,
                        double teacher_temp);
  // Once a step, after its last forward: center <- m center + (1 - m) mean of the raw teacher
  // logits of all forwards since the last call.
  void UpdateCenter();
  const torch::Tensor& center() const { return center_; }
  // Of the last forward, in nats, scalars: mean entropy of a sample's target, and entropy of the
  // batch's mean target. Near ln(out_dim) the first says "uniform", near 0 the second "one output".
  const torch::Tensor& target_entropy() const { return target_entropy_; }
  const torch::Tensor& mean_target_entropy() const { return mean_target_entropy_; }

 private:
  double student_temp_, center_momentum_;
  bool sinkhorn_;
  torch::Tensor target_entropy_, mean_target_entropy_;
  torch::Tensor center_;
  std::vector<torch::Tensor> batch_means_;  // [1,out_dim], of the forwards since UpdateCenter()
};
TORCH_MODULE(DinoLoss);

// The value at `step` of utils.py cosine_scheduler: linear warm-up from `start` to base over
// `warmup` steps, its end included (base is reached at warmup - 1 and again at warmup), then final
// + (base - final)/2 (1 + cos(pi i / (total - warmup))).
double DinoCosine(double base, double final, int64_t step, int64_t total, int64_t warmup = 0,
                  double start = 0);
// All `total` values of it.
std::vector<double> DinoCosineSchedule(double base, double final, int64_t total, int64_t warmup = 0,
                                       double start = 0);
// The teacher's temperature of an epoch: linear from warmup_temp to temp over `warmup` epochs (its
// end included), then temp.
double DinoTeacherTemperature(double warmup_temp, double temp, int64_t warmup, int64_t epoch);

// Scales each parameter's gradient on its own to a norm of at most `clip` (utils.py clip_gradients:
// clip / (norm + 1e-6)); not torch's clip over all of them. -> the norms before, in order of those
// that have a gradient.
std::vector<double> ClipGradientsEach(const std::vector<torch::Tensor>& parameters, double clip);

// utils.py get_params_groups: names of what is decayed, and of what is not: biases and what has one
// dimension. So cls_token, pos_embed and weight_g are decayed. Only parameters with requires_grad.
std::pair<std::vector<std::string>, std::vector<std::string>> DinoParameterGroups(
    const torch::nn::Module& module);

}  // namespace v2r
