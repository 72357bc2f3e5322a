// Uses the random numbers of an installed v2r: exit status 0 where they behave as documented.
#include <cstdio>

#include "core/rng.h"

int main() {
  v2r::Rng first(7);
  v2r::Rng again(7);
  const uint64_t value = first.NextU64();
  const bool repeats = value == again.NextU64();
  const bool forks_differ = first.Fork("env", 0).NextU64() != first.Fork("env", 1).NextU64();
  std::printf("%llu\n", static_cast<unsigned long long>(value));
  return repeats && forks_differ ? 0 : 1;
}
