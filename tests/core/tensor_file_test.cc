#include "core/tensor_file.h"

#include <gtest/gtest.h>

namespace v2r {
namespace {

TEST(TensorFileTest, BlobRoundTrip) {
  const torch::Tensor tensor = torch::arange(6).reshape({2, 3});
  EXPECT_TRUE(torch::equal(tensor, ToTensor(ToBlob(tensor))));
}

}  // namespace
}  // namespace v2r
