#include "reward/embedder.h"

#include "core/error.h"

namespace v2r {

torch::Tensor Embedder::Embed(const torch::Tensor& frames) const {
  const auto z = first_->Embed(frames);
  if (more_.empty()) return z;
  std::vector<torch::Tensor> all = {z};
  for (const auto& encoder : more_) all.push_back(encoder->Embed(frames).to(z.device()));
  return torch::cat(all, -1);
}

std::vector<std::shared_ptr<const Encoder>> MoreEncoders(const RewardOptions& options,
                                                         const torch::Device& device) {
  std::vector<std::shared_ptr<const Encoder>> more;
  if (options.name != "ensemble") return more;
  for (const auto& path : options.ensemble.encoders) {
    more.push_back(std::make_shared<const Encoder>(LoadEncoder(path, device, options.dtype)));
    if (more.back()->spec().frame_stack != 1) {
      ThrowUser("reward.ensemble.encoders: {} stacks {} pictures; rewards embed single pictures",
                path, more.back()->spec().frame_stack);
    }
  }
  return more;
}

}  // namespace v2r
