#include "core/rng.h"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace v2r {
namespace {

using Philox = r123::Philox4x32;

// Forks use another key schedule than the stream itself, so that no fork equals a block of its
// parent.
constexpr uint64_t kForkTweak = 0x9E3779B97F4A7C15ull;

uint32_t Low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t High(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

Philox::ctr_type Block(uint64_t key, uint64_t a, uint64_t b) {
  Philox philox;
  const Philox::ctr_type counter = {{Low(a), High(a), Low(b), High(b)}};
  const Philox::key_type words = {{Low(key), High(key)}};
  return philox(counter, words);
}

// FNV-1a of the name, 64 bits.
uint64_t HashName(std::string_view name) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : name) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 1099511628211ull;
  }
  return hash;
}

}  // namespace

Rng Rng::Fork(std::string_view name, uint64_t index) const {
  const auto words = Block(key_ ^ kForkTweak, HashName(name), index);
  return Rng(static_cast<uint64_t>(words[1]) << 32 | words[0]);
}

void Rng::Refill() {
  const auto words = Block(key_, counter_, 0);
  for (int i = 0; i < 4; ++i) block_[i] = words[i];
  ++counter_;
  position_ = 0;
}

uint32_t Rng::NextU32() {
  if (position_ >= 4) Refill();
  return block_[position_++];
}

uint64_t Rng::NextU64() {
  const uint64_t low = NextU32();
  return static_cast<uint64_t>(NextU32()) << 32 | low;
}

double Rng::Uniform() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }

double Rng::Uniform(double low, double high) {
  const double x = low + (high - low) * Uniform();
  // Rounding may reach `high`; the interval is half open.
  return x < high || !(low < high) ? x : std::nextafter(high, low);
}

double Rng::Normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

// Multiplication with rejection: Lemire, "Fast random integer generation in an interval", 2019,
// algorithm 5.
uint64_t Rng::Below(uint64_t n) {
  V2R_CHECK(n > 0, "Below(0)");
  using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(NextU64()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = (0 - n) % n;
    while (static_cast<uint64_t>(product) < threshold) {
      product = static_cast<Wide>(NextU64()) * n;
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

bool Rng::Bernoulli(double p) { return Uniform() < p; }

std::vector<int64_t> Rng::Permutation(int64_t n) {
  V2R_CHECK_GE(n, 0);
  std::vector<int64_t> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), int64_t{0});
  Shuffle(values);
  return values;
}

void Rng::Shuffle(std::span<int64_t> values) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
}

void Rng::Load(const State& state) {
  if (state.position > 4 || (state.position < 4 && state.counter == 0)) {
    ThrowUser("the saved random state is damaged: counter {}, position {}", state.counter,
              state.position);
  }
  key_ = state.key;
  counter_ = state.counter;
  position_ = 4;
  if (state.position < 4) {
    --counter_;
    Refill();
    position_ = state.position;
  }
}

}  // namespace v2r
