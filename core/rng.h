// Counter-based random numbers (Philox4x32-10, Random123): the stream depends on the seed and the fork path alone, so a
// result does not depend on how many threads computed it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace v2r {

class Rng {
 public:
  explicit Rng(uint64_t seed = 0) : key_(seed) {}

  // An independent stream named by `name` and `index`; does not advance this one.
  Rng Fork(std::string_view name, uint64_t index = 0) const;

  uint32_t NextU32();
  uint64_t NextU64();
  double Uniform();                            // [0, 1), 53 bits
  double Uniform(double low, double high);     // [low, high)
  double Normal();                             // standard normal (Box-Muller, no cached half)
  uint64_t Below(uint64_t n);                  // unbiased integer in [0, n); n > 0
  bool Bernoulli(double p);
  std::vector<int64_t> Permutation(int64_t n); // Fisher-Yates of 0..n-1
  void Shuffle(std::span<int64_t> values);

  // Everything that makes the stream: key, counter, position in the current block.
  struct State {
    uint64_t key = 0;
    uint64_t counter = 0;
    uint64_t position = 4;
  };
  State Save() const { return {key_, counter_, position_}; }
  void Load(const State& state);

 private:
  void Refill();
  uint64_t key_ = 0;
  uint64_t counter_ = 0;
  uint64_t position_ = 4;  // next word of block_, 4 = used up
  uint32_t block_[4] = {};
};

}  // namespace v2r
