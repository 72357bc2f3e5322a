#include "models/normalize.h"

#include <bit>

// Several copies of the hot loops, the best one for the CPU chosen at load time. No contraction to
// fused multiply-add: all copies give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define V2R_CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define V2R_CPU_CLONES
#endif

namespace v2r {
namespace {

constexpr int64_t kBlock = 192;  // values; a multiple of 3 colours and of every vector length

struct Block {
  float scale[kBlock];
  float shift[kBlock];
};

Block Repeat(const PixelScale& scale) {
  Block block;
  for (int64_t i = 0; i < kBlock; ++i) {
    block.scale[i] = scale.scale[i % 3];
    block.shift[i] = scale.shift[i % 3];
  }
  return block;
}

inline uint16_t ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);  // never NaN here
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline void Store(float value, float* out) { *out = value; }
inline void Store(float value, uint16_t* out) { *out = ToBf16(value); }

V2R_CPU_CLONES void FloatBlock(const uint8_t* __restrict in, const Block& block,
                               float* __restrict out) {
  for (int64_t i = 0; i < kBlock; ++i) {
    out[i] = static_cast<float>(in[i]) * block.scale[i] + block.shift[i];
  }
}

V2R_CPU_CLONES void Bf16Block(const uint8_t* __restrict in, const Block& block,
                              uint16_t* __restrict out) {
  for (int64_t i = 0; i < kBlock; ++i) {
    out[i] = ToBf16(static_cast<float>(in[i]) * block.scale[i] + block.shift[i]);
  }
}

inline void RunBlock(const uint8_t* in, const Block& block, float* out) {
  FloatBlock(in, block, out);
}
inline void RunBlock(const uint8_t* in, const Block& block, uint16_t* out) {
  Bf16Block(in, block, out);
}

template <typename Out>
void Run(const uint8_t* in, int64_t stack, int64_t pixels, const PixelScale& scale, Out* out) {
  const Block block = Repeat(scale);
  if (stack == 1) {
    const int64_t values = pixels * 3;
    int64_t i = 0;
    for (; i + kBlock <= values; i += kBlock) RunBlock(in + i, block, out + i);
    for (; i < values; ++i)
      Store(static_cast<float>(in[i]) * block.scale[i % 3] + block.shift[i % 3], out + i);
    return;
  }
  for (int64_t s = 0; s < stack; ++s) {
    const uint8_t* picture = in + s * pixels * 3;
    for (int64_t p = 0; p < pixels; ++p) {
      Out* target = out + (p * stack + s) * 3;
      for (int64_t c = 0; c < 3; ++c) {
        Store(static_cast<float>(picture[p * 3 + c]) * scale.scale[c] + scale.shift[c], target + c);
      }
    }
  }
}

}  // namespace

void NormalizePicture(const uint8_t* in, int64_t stack, int64_t pixels, const PixelScale& scale,
                      float* out) {
  Run(in, stack, pixels, scale, out);
}

void NormalizePictureBf16(const uint8_t* in, int64_t stack, int64_t pixels, const PixelScale& scale,
                          uint16_t* out) {
  Run(in, stack, pixels, scale, out);
}

}  // namespace v2r
