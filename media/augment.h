// Random augmentation of a batch of pictures. Which operations: media/ops_color.h,
// media/ops_geometry.h.
//
// Two sets. "simclr" (Chen et al. 2020, appendix A, strength 1) teaches invariance to position,
// size and colour: right for recognising things, wrong for a reward that is a distance. "position"
// keeps where things are: shift by two pixels, light colours, blur and noise. "moco_v1", "moco_v2"
// and "moco_cifar" are those of facebookresearch/moco (main_moco.py, the CIFAR-10 notebook); v1
// drops colour before the jitter there, after it here.
#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "media/ops_geometry.h"
#include "media/tensor_ops.h"

namespace v2r {

// The defaults are the preset "position". In a config, `preset` sets all other keys, which then are
// changed one by one.
struct AugmentOptions {
  std::string preset = "position";
  int64_t shift = 2;
  bool crop = false;
  double crop_scale_min = 0.08, crop_scale_max = 1;
  double crop_ratio_min = 0.75, crop_ratio_max = 1.3333333333333333;
  std::string crop_interpolation = "bicubic";
  bool antialias = true;
  double flip_p = 0;
  double affine_p = 0;
  double affine_degrees = 20;
  double affine_translate = 0.1;
  double affine_scale_min = 0.9, affine_scale_max = 1.1;
  double affine_fill = 0;
  double jitter_p = 0.8;
  double brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.02;
  std::string jitter_form = "torchvision";
  double grayscale_p = 0;
  double blur_p = 0.2;
  double blur_sigma_min = 0.1, blur_sigma_max = 0.7;
  int64_t blur_radius = 0;
  std::string blur_form = "gaussian";
  double solarize_p = 0;
  double solarize_threshold = 0.5019607843137255;
  double erase_p = 0;
  double erase_scale_min = 0.02, erase_scale_max = 0.33;
  double erase_ratio_min = 0.3, erase_ratio_max = 3.3;
  double erase_value = 0;
  double noise_std = 0.01;

  static AugmentOptions Preset(const std::string& name);  // UserError: unknown name

  template <typename V>
  void Fields(V& v) {
    const std::string before = preset;
    v("preset", preset,
      "sets all keys below: position keeps where things are, the others are the papers'",
      OneOf({"position", "simclr", "moco_v1", "moco_v2", "moco_cifar", "none"}));
    if (preset != before) *this = Preset(preset);
    v("shift", shift, "random shift by up to this many pixels, edge repeated", AtLeast(0));
    v("crop", crop, "random resized crop");
    v("crop_scale_min", crop_scale_min, "smallest share of the area", InRange(0.001, 1));
    v("crop_scale_max", crop_scale_max, "largest share of the area", InRange(0.001, 1));
    v("crop_ratio_min", crop_ratio_min, "smallest width/height of the crop", InRange(0.05, 20));
    v("crop_ratio_max", crop_ratio_max, "largest width/height of the crop", InRange(0.05, 20));
    v("crop_interpolation", crop_interpolation, "how a crop is resized",
      OneOf({"bilinear", "bicubic"}));
    v("antialias", antialias, "average over all pixels when a crop is shrunk");
    v("flip_p", flip_p, "probability of a left-right flip", InRange(0, 1));
    v("affine_p", affine_p, "probability of rotation, shift and scaling", InRange(0, 1));
    v("affine_degrees", affine_degrees, "rotation up to this angle either way", InRange(0, 180));
    v("affine_translate", affine_translate, "shift up to this share of the side", InRange(0, 1));
    v("affine_scale_min", affine_scale_min, "smallest scaling", InRange(0.05, 20));
    v("affine_scale_max", affine_scale_max, "largest scaling", InRange(0.05, 20));
    v("affine_fill", affine_fill, "grey value outside the picture", InRange(0, 1));
    v("jitter_p", jitter_p, "probability of colour jitter", InRange(0, 1));
    v("brightness", brightness, "factor within 1 +- this", InRange(0, 10));
    v("contrast", contrast, "factor within 1 +- this", InRange(0, 10));
    v("saturation", saturation, "factor within 1 +- this", InRange(0, 10));
    v("hue", hue, "turns of the hue circle, +- this", InRange(0, 0.5));
    v("jitter_form", jitter_form, "whose definitions of contrast and saturation",
      OneOf({"torchvision", "simclr"}));
    v("grayscale_p", grayscale_p, "probability of dropping colour", InRange(0, 1));
    v("blur_p", blur_p, "probability of blur", InRange(0, 1));
    v("blur_sigma_min", blur_sigma_min, "smallest deviation in pixels", InRange(0.01, 100));
    v("blur_sigma_max", blur_sigma_max, "largest deviation in pixels", InRange(0.01, 100));
    v("blur_radius", blur_radius, "taps either side, 0 = a twentieth of the height", AtLeast(0));
    v("blur_form", blur_form,
      "gaussian (torchvision), simclr (zeros beyond the border), pillow (boxes)",
      OneOf({"gaussian", "simclr", "pillow"}));
    v("solarize_p", solarize_p, "probability of inverting bright pixels", InRange(0, 1));
    v("solarize_threshold", solarize_threshold, "from this value on", InRange(0, 1));
    v("erase_p", erase_p, "probability of erasing a box", InRange(0, 1));
    v("erase_scale_min", erase_scale_min, "smallest share of the area", InRange(0.0001, 1));
    v("erase_scale_max", erase_scale_max, "largest share of the area", InRange(0.0001, 1));
    v("erase_ratio_min", erase_ratio_min, "smallest height/width of the box", InRange(0.05, 20));
    v("erase_ratio_max", erase_ratio_max, "largest height/width of the box", InRange(0.05, 20));
    v("erase_value", erase_value, "what the box is filled with", InRange(0, 1));
    v("noise_std", noise_std, "deviation of noise added to each pixel", InRange(0, 1));
  }
};

// The parameters of one picture.
struct AugmentDraw {
  int64_t down = 0, right = 0;
  CropBox crop;  // height 0: none
  bool flip = false;
  bool affine = false;
  AffineMap map;
  bool jitter = false;
  std::array<float, 4> factors = {1, 1, 1, 0};  // brightness, contrast, saturation, hue
  std::array<int64_t, 4> order = {0, 1, 2, 3};  // of the four
  bool grayscale = false;
  double sigma = 0;  // 0: no blur
  bool solarize = false;
  CropBox erase;  // height 0: none
};

class Augmenter {
 public:
  // size: side of the square pictures that come out, 0 = as they go in (resized by area when there
  // is no crop). UserError: a minimum above its maximum.
  explicit Augmenter(const AugmentOptions& options, int64_t size = 0);

  // x float32 [B,3,H,W] in [0,1], CPU -> float32 [B,3,h,w] in [0,1], new. `group` consecutive
  // pictures share one draw (the frames of a window or a stack, as in XIRL and VIP; B must be a
  // multiple); noise is each pixel's own. Runs on the calling thread alone, picture by picture, and
  // draws from `rng` alone: the bits do not depend on the number of threads. Thread-safe.
  torch::Tensor operator()(const torch::Tensor& x, Rng& rng, int64_t group = 1) const;

  // The two halves of it.
  AugmentDraw Draw(Rng& rng, int64_t height, int64_t width) const;
  torch::Tensor Apply(const torch::Tensor& x,
                      std::span<const AugmentDraw> draws) const;  // all but the noise
  const AugmentOptions& options() const { return options_; }

 private:
  void Jitter(const Picture& x, const AugmentDraw& draw) const;
  AugmentOptions options_;
  int64_t size_;
};

}  // namespace v2r
