// What an imported network is, from the shapes of its tensors and whose it is.
#pragma once

#include <cstdint>
#include <string>

#include "models/encoder.h"
#include "models/import.h"
#include "models/weights_map.h"

namespace v2r {

int64_t SquareSide(int64_t count);  // floor of the root
bool IsSquare(int64_t count);

// shapes: by our names. All but `positions`, which the values decide. UserError beginning with
// `file`: no known depth, a width of unknown heads, preprocessing that nobody said.
EncoderSpec SpecOf(const std::string& file, const WeightsSource& source,
                   const WeightsFile::Shapes& shapes, const ImportOptions& options);

}  // namespace v2r
