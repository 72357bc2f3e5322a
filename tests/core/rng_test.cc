#include "core/rng.h"

#include <gtest/gtest.h>

namespace v2r {
namespace {

// Known answer of Random123's kat_vectors: philox4x32-10, counter 0, key 0.
TEST(RngTest, FirstBlockIsPhilox) {
  Rng rng(0);
  EXPECT_EQ(rng.NextU32(), 0x6627e8d5u);
  EXPECT_EQ(rng.NextU32(), 0xe169c58du);
  EXPECT_EQ(rng.NextU32(), 0xbc57ac4cu);
  EXPECT_EQ(rng.NextU32(), 0x9b00dbd8u);
}

}  // namespace
}  // namespace v2r
