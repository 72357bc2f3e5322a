#include "agents/simd_kernels.h"

#include <cstddef>

// GCC compiles each region below for its instruction set; a compiler that does not know the pragma
// compiles the baseline only.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define V2R_X86_REGIONS 1
#endif
#define V2R_INLINE static inline __attribute__((always_inline))

namespace v2r {

#ifdef V2R_X86_REGIONS
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
namespace avx512 {
namespace {
constexpr int kWidth = 16, kColumns = 4, kRows = 4;
#include "agents/simd_kernels.inc"
}  // namespace
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
namespace {
constexpr int kWidth = 8, kColumns = 2, kRows = 4;
#include "agents/simd_kernels.inc"
}  // namespace
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace baseline {
namespace {
constexpr int kWidth = 4, kColumns = 2, kRows = 4;
#include "agents/simd_kernels.inc"
}  // namespace
}  // namespace baseline

const std::vector<SimdKernels>& AvailableSimdKernels() {
  static const std::vector<SimdKernels> kernels = [] {
    std::vector<SimdKernels> found;
#ifdef V2R_X86_REGIONS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
      found.push_back(avx512::Table("avx512"));
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      found.push_back(avx2::Table("avx2"));
#endif
    found.push_back(baseline::Table("baseline"));
    return found;
  }();
  return kernels;
}

}  // namespace v2r
