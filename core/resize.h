// Exact area, bilinear and bicubic resizing of uint8 pictures as two small matrix products: one
// implementation for data sets and encoders, so that a filmed and a rendered picture are shrunk
// alike.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// frames uint8 [B,H,W,3] -> uint8 [B,height,width,3], rounded to nearest (ties to even), same
// device; frames of that size already are returned as they are. mode "area": each output pixel is
// the mean of the area it covers (growing falls back to bilinear, as OpenCV's INTER_AREA does);
// "bilinear": antialiased triangle filter when shrinking; "bicubic": Keys' cubic with a = -0.5,
// antialiased likewise; "nearest": the pixel that lies on the output pixel's centre (torch's
// nearest-exact). UserError: another mode.
torch::Tensor ResizeFrames(const torch::Tensor& frames, int64_t height, int64_t width,
                           const std::string& mode);

// float32 [output, input] on the CPU: row o holds the weights with which the pixels begin ..
// begin+length-1 of a line of `input` pixels make output pixel o (length -1: all); each row sums
// to 1. mode: "area", "bilinear", "bicubic" (antialiased when shrinking, as Pillow and ATen's
// _upsample_*2d_aa do: triangle, and Keys' cubic with a = -0.5), "nearest", "bilinear_point",
// "bicubic_point" (no antialiasing, ATen's upsample_*2d with align_corners=False: a = -0.75).
// Pixels beyond the range repeat its edge (point) or are left out (antialiased).
torch::Tensor ResizeWeights(int64_t input, int64_t output, const std::string& mode,
                            int64_t begin = 0, int64_t length = -1);

}  // namespace v2r
