#include "pretrain/probe.h"

#include <cmath>
#include <cstdint>

#include "core/error.h"
#include "core/log.h"
#include "learn/measures.h"
#include "pretrain/monitor.h"

namespace v2r {
namespace {

constexpr double kMinDimensions = 2.0;
constexpr double kMinStdShare = 0.01;  // of the deviation at the start
constexpr double kMinSpread = 0.02;

}  // namespace

Metrics EmbeddingProbe::Measure(EncoderNetImpl& net) {
  const torch::Tensor z = EmbedInEvalMode(net, pictures_);
  if (!z.isfinite().all().item<bool>()) {
    ThrowUser(
        "pretraining: the embedding has infinite or NaN values, the weights have run away. A "
        "smaller pretrain.learning_rate or a warm-up (pretrain.warmup_iterations) helps");
  }
  const double dims = EffectiveDimensions(z);
  const double std = z.std(0, /*unbiased=*/false).mean().item<double>();
  const double spread = NormalizedStd(z) * std::sqrt(static_cast<double>(z.size(1)));
  if (first_std_ < 0) first_std_ = std;

  std::string reason;
  if (dims < kMinDimensions) {
    reason = fmt::format("effective dimensions {:.2f} < {:.0f}", dims, kMinDimensions);
  } else if (std < kMinStdShare * first_std_) {
    reason = fmt::format("embedding deviation {:.2g}, {:.2g} at the start", std, first_std_);
  } else if (metric_ == "cosine" && spread < kMinSpread) {
    reason = fmt::format("all embeddings point one way, spread {:.2g} < {}", spread, kMinSpread);
  }
  if (!reason.empty() && !warned_) {
    warned_ = true;
    LogWarn(
        "the embedding has collapsed: {}. Distances in it mean little; milder augmentation, more "
        "varied clips, "
        "data_dependent_init=true or another method help",
        reason);
  }
  return {{"pretrain/effective_dims", dims},
          {"pretrain/embedding_std", std},
          {"pretrain/embedding_spread", spread},
          {"pretrain/collapsed", reason.empty() ? 0.0 : 1.0}};
}

void EmbeddingProbe::Save(StateDict& state) const {
  state["first_std"] = Blob::Scalar(first_std_);
  state["warned"] = Blob::Scalar(static_cast<int64_t>(warned_));
}

void EmbeddingProbe::Load(const StateDict& state) {
  first_std_ = RequireScalar<double>(state, "first_std", "pretraining checkpoint");
  warned_ = RequireScalar<int64_t>(state, "warned", "pretraining checkpoint") != 0;
}

}  // namespace v2r
