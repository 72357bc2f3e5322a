#include "agents/obs_normalizer.h"

namespace v2r {
namespace {

constexpr double kEpsilon = 1e-8;

}  // namespace

ObsNormalizer::ObsNormalizer(int64_t obs_dim, double clip)
    : learned_(obs_dim), acting_(obs_dim), clip_(clip) {}

void ObsNormalizer::Adopt() {
  acting_ = learned_;
  adopted_ = true;
}

void ObsNormalizer::Normalize(std::span<const float> obs, std::span<float> out) const {
  acting_.Normalize(obs, out, kEpsilon, clip_);
}

StateDict ObsNormalizer::Save() const {
  StateDict state;
  Merge(state, "learned", learned_.Save());
  Merge(state, "acting", acting_.Save());
  state["adopted"] = Blob::Scalar<uint8_t>(adopted_ ? 1 : 0);
  return state;
}

void ObsNormalizer::Load(const StateDict& state, const std::string& what) {
  learned_.Load(Under(state, "learned"), what);
  acting_.Load(Under(state, "acting"), what);
  adopted_ = RequireScalar<uint8_t>(state, "adopted", what) != 0;
}

}  // namespace v2r
