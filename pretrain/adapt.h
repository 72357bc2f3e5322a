// A trained network for other pictures than it was trained on.
#pragma once

#include <string>

#include "core/rng.h"
#include "models/encoder.h"

namespace v2r {

// The weights of `net` in a network of `spec`, which differs in input_size and drop_path alone.
// Learned positions go to the new grid by `interpolation` "deit" or "dino" (models/positions.h),
// fixed ones are made anew; what drop path draws from comes from `rng` where there was none.
// UserError: the network takes no other size.
EncoderNet AdaptNet(const EncoderNetImpl& net, const EncoderSpec& spec,
                    const std::string& interpolation, Rng& rng);

}  // namespace v2r
