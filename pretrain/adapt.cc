#include "pretrain/adapt.h"

#include "core/error.h"
#include "models/init.h"
#include "models/positions.h"
#include "models/vit.h"

namespace v2r {
namespace {

constexpr char kPositions[] = "pos_embed", kDraws[] = "drop_path_draws";

}  // namespace

EncoderNet AdaptNet(const EncoderNetImpl& net, const EncoderSpec& spec,
                    const std::string& interpolation, Rng& rng) {
  const EncoderSpec& old = net.spec();
  if (spec.input_size != old.input_size && !net.any_size()) {
    ThrowUser(
        "pretrain.init_input_size={}: encoder.arch={} with pooling={} and background={} takes "
        "pictures of {} pixels alone: leave the key out",
        spec.input_size, old.arch, old.pooling, old.background, old.input_size);
  }
  EncoderNet adapted;
  try {
    adapted = BlankEncoderNet(spec);
  } catch (const UserError& error) {
    ThrowUser("pretrain.init_input_size={}: the encoder takes no picture of that size: {}",
              spec.input_size, error.what());
  }
  TensorDict state = ModuleState(net);
  const TensorDict fresh = ModuleState(*adapted);
  if (IsVit(spec.arch) && spec.input_size != old.input_size) {
    const int64_t side = spec.input_size / spec.patch_size;
    torch::Tensor& positions = state.at(kPositions);
    if (spec.positions != "learned") {
      positions = fresh.at(kPositions);
    } else if (interpolation == "deit") {
      positions = InterpolatePositionsDeit(positions, side, side);
    } else {
      positions = InterpolatePositionsDino(positions, side, side);
    }
  }
  if (fresh.contains(kDraws) && !state.contains(kDraws)) {
    state[kDraws] = torch::tensor(static_cast<int64_t>(rng.NextU64() >> 2));
  }
  if (!fresh.contains(kDraws)) state.erase(kDraws);
  LoadModuleState(*adapted, state, "adapted encoder");
  return adapted;
}

}  // namespace v2r
