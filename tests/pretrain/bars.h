// Pictures that a small network tells apart in a hundred steps.
#pragma once

#include "core/torch_rng.h"
#include "tests/pretrain/helpers.h"

namespace v2r {

// A bar that stands, lies or leans, anywhere, grey on noise: 3 classes in turn.
inline ClipSet Bars(int64_t count, uint64_t seed = 1) {
  ClipSet set;
  set.classes = {"standing", "lying", "leaning"};
  Rng rng(seed);
  for (int64_t i = 0; i < count; ++i) {
    torch::Tensor picture = (RandomUniform(rng, {1, 32, 32, 3}) * 60).to(torch::kByte).contiguous();
    const auto at = static_cast<int64_t>(6 + rng.Below(20));
    for (int64_t t = 4; t < 28; ++t) {
      const int64_t row = i % 3 == 1 ? at : t;
      const int64_t column = i % 3 == 0 ? at : (i % 3 == 1 ? t : (t + at) % 32);
      picture[0].slice(0, row, row + 2).slice(1, column, column + 2).fill_(220);
    }
    set.clips.push_back({fmt::format("{}", i), "good", picture, 0, i % 3});
  }
  return set;
}

inline EncoderSpec BarsSpec(double width = 0.5) {
  EncoderSpec spec = TinySpec();
  spec.width = width;
  spec.embedding_dim = 32;
  return spec;
}

}  // namespace v2r
