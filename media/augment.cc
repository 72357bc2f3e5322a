#include "media/augment.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "core/torch_rng.h"
#include "media/ops_color.h"

namespace v2r {
namespace {

const std::vector<std::string> kPresets = {"position", "simclr",     "moco_v1",
                                           "moco_v2",  "moco_cifar", "none"};

void RequireOrder(const char* name, double low, double high) {
  if (low > high)
    ThrowUser("augment.{}_min = {} is larger than augment.{}_max = {}", name, low, name, high);
}

void AddNoise(float* x, const float* noise, float deviation, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::clamp(x[i] + deviation * noise[i], 0.0f, 1.0f);
}

double Factor(Rng& rng, double strength) {
  return rng.Uniform(std::max(0.0, 1 - strength), 1 + strength);
}

}  // namespace

AugmentOptions AugmentOptions::Preset(const std::string& name) {
  AugmentOptions o;
  o.preset = name;
  if (name == "position") return o;
  o.shift = 0;
  o.noise_std = 0;
  o.jitter_p = o.brightness = o.contrast = o.saturation = o.hue = o.blur_p = 0;
  o.blur_sigma_max = 2;
  const auto jitter = [&](double p, double strength, double hue) {
    o.jitter_p = p;
    o.brightness = o.contrast = o.saturation = strength;
    o.hue = hue;
  };
  const auto crop = [&](double least_area, const char* interpolation) {
    o.crop = true;
    o.crop_scale_min = least_area;
    o.crop_interpolation = interpolation;
    o.flip_p = 0.5;
  };
  if (name == "simclr") {
    crop(0.08, "bicubic");
    jitter(0.8, 0.8, 0.2);
    o.grayscale_p = 0.2;
    o.blur_p = 0.5;
  } else if (name == "moco_v1") {
    crop(0.2, "bilinear");
    jitter(1, 0.4, 0.4);
    o.grayscale_p = 0.2;
  } else if (name == "moco_v2") {
    crop(0.2, "bilinear");
    jitter(0.8, 0.4, 0.1);
    o.grayscale_p = 0.2;
    o.blur_p = 0.5;
  } else if (name == "moco_cifar") {
    crop(0.08, "bilinear");
    jitter(0.8, 0.4, 0.1);
    o.grayscale_p = 0.2;
  } else if (name != "none") {
    ThrowUser("unknown augmentation preset '{}'{} (known: {})", name, DidYouMean(name, kPresets),
              Join(kPresets, ", "));
  }
  return o;
}

Augmenter::Augmenter(const AugmentOptions& options, int64_t size) : options_(options), size_(size) {
  V2R_CHECK_GE(size, 0);
  RequireOrder("crop_scale", options.crop_scale_min, options.crop_scale_max);
  RequireOrder("crop_ratio", options.crop_ratio_min, options.crop_ratio_max);
  RequireOrder("affine_scale", options.affine_scale_min, options.affine_scale_max);
  RequireOrder("blur_sigma", options.blur_sigma_min, options.blur_sigma_max);
  RequireOrder("erase_scale", options.erase_scale_min, options.erase_scale_max);
  RequireOrder("erase_ratio", options.erase_ratio_min, options.erase_ratio_max);
}

// Every number is drawn whether it is used or not, so that one key does not change the draws of
// another; the two boxes, which take a varying number of tries, have streams of their own.
AugmentDraw Augmenter::Draw(Rng& rng, int64_t height, int64_t width) const {
  const AugmentOptions& o = options_;
  Rng box_rng = Rng(rng.NextU64());
  Rng crop_rng = box_rng.Fork("crop"), erase_rng = box_rng.Fork("erase");
  AugmentDraw d;
  const auto reach = static_cast<uint64_t>(2 * o.shift + 1);
  d.down = static_cast<int64_t>(rng.Below(reach)) - o.shift;
  d.right = static_cast<int64_t>(rng.Below(reach)) - o.shift;
  if (o.crop) {
    d.crop = RandomCropBox(crop_rng, height, width, o.crop_scale_min, o.crop_scale_max,
                           o.crop_ratio_min, o.crop_ratio_max);
  }
  d.flip = rng.Bernoulli(o.flip_p);
  d.affine = rng.Bernoulli(o.affine_p);
  d.map.degrees = rng.Uniform(-o.affine_degrees, o.affine_degrees);
  d.map.right = rng.Uniform(-1, 1) * o.affine_translate * static_cast<double>(width);
  d.map.down = rng.Uniform(-1, 1) * o.affine_translate * static_cast<double>(height);
  d.map.scale = rng.Uniform(o.affine_scale_min, o.affine_scale_max);
  d.jitter = rng.Bernoulli(o.jitter_p);
  d.factors = {static_cast<float>(Factor(rng, o.brightness)),
               static_cast<float>(Factor(rng, o.contrast)),
               static_cast<float>(Factor(rng, o.saturation)),
               static_cast<float>(rng.Uniform(-o.hue, o.hue))};
  rng.Shuffle(d.order);
  d.grayscale = rng.Bernoulli(o.grayscale_p);
  const bool blur = rng.Bernoulli(o.blur_p);
  const double sigma = rng.Uniform(o.blur_sigma_min, o.blur_sigma_max);
  d.sigma = blur ? sigma : 0;
  d.solarize = rng.Bernoulli(o.solarize_p);
  if (rng.Bernoulli(o.erase_p)) {
    d.erase =
        RandomEraseBox(erase_rng, size_ > 0 ? size_ : height, size_ > 0 ? size_ : width,
                       o.erase_scale_min, o.erase_scale_max, o.erase_ratio_min, o.erase_ratio_max);
  }
  return d;
}

void Augmenter::Jitter(const Picture& x, const AugmentDraw& draw) const {
  const bool simclr = options_.jitter_form == "simclr";
  for (const int64_t kind : draw.order) {
    const float factor = draw.factors[kind];
    if (factor == (kind == 3 ? 0.0f : 1.0f)) continue;
    switch (kind) {
      case 0:
        AdjustBrightness(x, factor);
        break;
      case 1:
        simclr ? AdjustContrastPerChannel(x, factor) : AdjustContrast(x, factor);
        break;
      case 2:
        simclr ? AdjustSaturationHsv(x, factor) : AdjustSaturation(x, factor);
        break;
      default:
        AdjustHue(x, factor);
    }
  }
}

torch::Tensor Augmenter::Apply(const torch::Tensor& input,
                               std::span<const AugmentDraw> draws) const {
  const auto x = input.contiguous();
  V2R_CHECK_EQ(x.size(0), static_cast<int64_t>(draws.size()));
  const int64_t height = size_ > 0 ? size_ : x.size(2), width = size_ > 0 ? size_ : x.size(3);
  const int64_t radius =
      options_.blur_radius > 0 ? options_.blur_radius : std::max<int64_t>(1, height / 20);
  const std::string crop_mode = options_.crop_interpolation + (options_.antialias ? "" : "_point");
  auto result = torch::empty({x.size(0), 3, height, width}, torch::kFloat);
  std::vector<float> moved_floats, turned_floats;
  for (int64_t b = 0; b < x.size(0); ++b) {
    const AugmentDraw& draw = draws[b];
    Picture from = PictureOf(x, b);
    const Picture picture = PictureOf(result, b);
    if (draw.down != 0 || draw.right != 0) {
      moved_floats.resize(from.floats());
      const Picture moved{moved_floats.data(), from.height, from.width};
      Shift(from, draw.down, draw.right, moved);
      from = moved;
    }
    const bool crop = draw.crop.height > 0;
    if (crop || height != from.height || width != from.width) {
      ResizedCrop(from, crop ? draw.crop : CropBox{0, 0, from.height, from.width},
                  crop ? crop_mode : "area", picture);
      for (int64_t i = 0; i < picture.floats(); ++i)
        picture.data[i] = std::clamp(picture.data[i], 0.0f, 1.0f);
    } else {
      std::copy_n(from.data, from.floats(), picture.data);
    }
    if (draw.flip) FlipHorizontal(picture);
    if (draw.affine) {
      turned_floats.assign(picture.data, picture.data + picture.floats());
      Affine({turned_floats.data(), height, width}, draw.map, "bilinear",
             static_cast<float>(options_.affine_fill), picture);
    }
    if (draw.jitter) Jitter(picture, draw);
    if (draw.grayscale) Grayscale(picture);
    if (draw.sigma > 0) Blur(picture, draw.sigma, radius, options_.blur_form);
    if (draw.solarize) Solarize(picture, static_cast<float>(options_.solarize_threshold));
    if (draw.erase.height > 0) Erase(picture, draw.erase, static_cast<float>(options_.erase_value));
  }
  return result;
}

torch::Tensor Augmenter::operator()(const torch::Tensor& x, Rng& rng, int64_t group) const {
  V2R_CHECK(x.dim() == 4 && group >= 1 && x.size(0) % group == 0, "{} pictures in groups of {}",
            x.size(0), group);
  std::vector<AugmentDraw> draws;
  draws.reserve(static_cast<size_t>(x.size(0)));
  for (int64_t g = 0; g < x.size(0) / group; ++g) {
    const AugmentDraw draw = Draw(rng, x.size(2), x.size(3));
    draws.insert(draws.end(), static_cast<size_t>(group), draw);
  }
  auto result = Apply(x, draws);
  if (options_.noise_std > 0) {
    const auto noise = torch::randn(result.sizes(), MakeGenerator(rng), torch::kFloat);
    AddNoise(result.data_ptr<float>(), noise.data_ptr<float>(),
             static_cast<float>(options_.noise_std), result.numel());
  }
  return result;
}

}  // namespace v2r
