// Exact area and bilinear resizing of uint8 pictures as two small matrix products: one implementation for data sets and encoders, so
// that a filmed and a rendered picture are shrunk alike.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// frames uint8 [B,H,W,3] -> uint8 [B,height,width,3], rounded to nearest. mode "area": each output pixel is the mean of the area it
// covers (growing falls back to bilinear, as OpenCV's INTER_AREA does); "bilinear": antialiased triangle filter when shrinking.
torch::Tensor ResizeFrames(const torch::Tensor& frames, int64_t height, int64_t width, const std::string& mode);

}  // namespace v2r
