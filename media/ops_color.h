// Colour operations on float pictures [B,3,H,W] in [0,1], one parameter a picture. All return new tensors; results are cut to [0,1] as
// their sources do. Parameters are float [B] (or [1] for all), on any device.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace v2r {

// torchvision.transforms.functional (tensor path): factor 1 changes nothing.
torch::Tensor Grayscale(const torch::Tensor& x);  // [B,1,H,W], ITU-R 601-2: .2989 R + .587 G + .114 B
torch::Tensor AdjustBrightness(const torch::Tensor& x, const torch::Tensor& factor);  // factor * x
torch::Tensor AdjustContrast(const torch::Tensor& x, const torch::Tensor& factor);    // blend with the mean of the grey picture
torch::Tensor AdjustSaturation(const torch::Tensor& x, const torch::Tensor& factor);  // blend with the grey picture
torch::Tensor AdjustHue(const torch::Tensor& x, const torch::Tensor& turns);          // hue circle, 1 = all the way round
torch::Tensor Invert(const torch::Tensor& x);                                         // 1 - x
torch::Tensor Solarize(const torch::Tensor& x, double threshold);                     // 1 - x where x >= threshold

// google-research/simclr tf2/data_util.py, where it differs (brightness of v1 adds; contrast keeps each channel's own mean; saturation
// scales S of HSV).
torch::Tensor AddBrightness(const torch::Tensor& x, const torch::Tensor& delta);
torch::Tensor AdjustContrastPerChannel(const torch::Tensor& x, const torch::Tensor& factor);
torch::Tensor AdjustSaturationHsv(const torch::Tensor& x, const torch::Tensor& factor);

// Hexcone model (Smith 1978), h in turns: [B,3,H,W] <-> [B,3,H,W].
torch::Tensor RgbToHsv(const torch::Tensor& rgb);
torch::Tensor HsvToRgb(const torch::Tensor& hsv);

// (x - mean) / std per channel. Not part of the augmentation: mean and std belong to the encoder file.
torch::Tensor Normalize(const torch::Tensor& x, const std::vector<double>& mean, const std::vector<double>& std);
// [B,2,H,W]: horizontal and vertical Sobel response of the channel mean, zero padding (DeepCluster, Caron et al. 2018).
torch::Tensor Sobel(const torch::Tensor& x);

}  // namespace v2r
