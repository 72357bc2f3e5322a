#include "reward/reward_head.h"

#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

const char* const kWhat = "checkpoint of the reward";

}  // namespace

RewardHead::RewardHead(const std::string& chosen, const HeadLayout& layout,
                       std::shared_ptr<const Encoder> encoder, const torch::Device& device)
    : name_(chosen.empty() ? layout.name : chosen), encoder_(std::move(encoder)), device_(device) {
  const auto names = encoder_->HeadNames();
  if (!encoder_->HasHead(name_)) {
    ThrowUser(
        "reward.head: the encoder file has no head '{}'{} ({}). Pretrain with "
        "pretrain.method={}, or name another head",
        name_, DidYouMean(name_, names),
        names.empty() ? "it has no heads" : "it has: " + Join(names, ", "), layout.method);
  }
  torch::Tensor probe;
  try {
    probe = Apply(torch::zeros({1, layout.embeddings * encoder_->embedding_dim()}));
  } catch (const Error&) {  // the head checks the width of its input
    ThrowUser("reward.head: head '{}' does not take {} embedding{} of {} numbers, as {} gives it",
              name_, layout.embeddings, layout.embeddings == 1 ? "" : "s",
              encoder_->embedding_dim(), layout.reward);
  }
  if (probe.size(-1) != layout.numbers) {
    ThrowUser("reward.head: head '{}' gives {} numbers a picture; {} needs {}", name_,
              probe.size(-1), layout.reward, layout.numbers);
  }
}

torch::Tensor RewardHead::Apply(const torch::Tensor& z) const {
  return encoder_->ApplyHead(name_, z.to(encoder_->device())).to(device_);
}

DemoRange DemoRange::Of(const torch::Tensor& starts, const torch::Tensor& ends,
                        const std::string& head) {
  DemoRange range;
  range.start = starts.mean().item<double>();
  range.end = ends.mean().item<double>();
  if (!(range.end - range.start > 1e-6)) {
    ThrowUser(
        "head '{}' does not rise along the demonstrations (first frames {:.4g}, last frames "
        "{:.4g}): it was not trained on them, or on other data",
        head, range.start, range.end);
  }
  return range;
}

void DemoRange::SaveState(StateDict& state) const {
  state["u_start"] = Blob::Scalar(start);
  state["u_end"] = Blob::Scalar(end);
}

void DemoRange::LoadState(const StateDict& state) {
  start = RequireScalar<double>(state, "u_start", kWhat);
  end = RequireScalar<double>(state, "u_end", kWhat);
}

}  // namespace v2r
