#include "media/augment.h"

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "core/text.h"
#include "core/torch_rng.h"
#include "media/ops_color.h"

namespace v2r {
namespace {

using Rows = std::vector<int64_t>;
using Operation = std::function<torch::Tensor(const torch::Tensor&)>;

// Those pictures of the batch whose draw fulfils `condition`.
template <typename Condition>
Rows Where(std::span<const AugmentDraw> draws, Condition condition) {
  Rows rows;
  for (size_t b = 0; b < draws.size(); ++b) {
    if (condition(draws[b])) rows.push_back(static_cast<int64_t>(b));
  }
  return rows;
}

// x with `operation` applied to some of its pictures.
torch::Tensor OnRows(const torch::Tensor& x, const Rows& rows, const Operation& operation) {
  if (rows.empty()) return x;
  if (static_cast<int64_t>(rows.size()) == x.size(0)) return operation(x);
  const auto index = torch::tensor(rows, torch::kLong).to(x.device());
  return x.index_copy(0, index, operation(x.index_select(0, index)));
}

template <typename T, typename Get>
std::vector<T> Collect(std::span<const AugmentDraw> draws, const Rows& rows, Get get) {
  std::vector<T> values;
  for (const int64_t row : rows) values.push_back(get(draws[row]));
  return values;
}

void RequireOrder(const char* name, double low, double high) {
  if (low > high) ThrowUser("augment.{}_min = {} is larger than augment.{}_max = {}", name, low, name, high);
}

double Factor(Rng& rng, double strength) { return rng.Uniform(std::max(0.0, 1 - strength), 1 + strength); }

}  // namespace

AugmentOptions AugmentOptions::Preset(const std::string& name) {
  AugmentOptions o;
  o.preset = name;
  if (name == "position") return o;
  if (name != "simclr" && name != "none") {
    ThrowUser("unknown augmentation preset '{}' (known: simclr, position, none)", name);
  }
  const bool simclr = name == "simclr";
  o.shift = 0;
  o.noise_std = 0;
  o.crop = simclr;
  o.flip_p = simclr ? 0.5 : 0;
  o.jitter_p = simclr ? 0.8 : 0;
  o.brightness = o.contrast = o.saturation = simclr ? 0.8 : 0;
  o.hue = simclr ? 0.2 : 0;
  o.grayscale_p = simclr ? 0.2 : 0;
  o.blur_p = simclr ? 0.5 : 0;
  o.blur_sigma_max = 2;
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

// Every number is drawn whether it is used or not, so that one key does not change the draws of another; the two boxes, which take a
// varying number of tries, have streams of their own.
AugmentDraw Augmenter::Draw(Rng& rng, int64_t height, int64_t width) const {
  const AugmentOptions& o = options_;
  Rng box_rng = Rng(rng.NextU64());
  Rng crop_rng = box_rng.Fork("crop"), erase_rng = box_rng.Fork("erase");
  AugmentDraw d;
  const auto reach = static_cast<uint64_t>(2 * o.shift + 1);
  d.down = static_cast<int64_t>(rng.Below(reach)) - o.shift;
  d.right = static_cast<int64_t>(rng.Below(reach)) - o.shift;
  if (o.crop) {
    d.crop = RandomCropBox(crop_rng, height, width, o.crop_scale_min, o.crop_scale_max, o.crop_ratio_min,
                           o.crop_ratio_max);
  }
  d.flip = rng.Bernoulli(o.flip_p);
  d.affine = rng.Bernoulli(o.affine_p);
  d.map.degrees = rng.Uniform(-o.affine_degrees, o.affine_degrees);
  d.map.right = rng.Uniform(-1, 1) * o.affine_translate * static_cast<double>(width);
  d.map.down = rng.Uniform(-1, 1) * o.affine_translate * static_cast<double>(height);
  d.map.scale = rng.Uniform(o.affine_scale_min, o.affine_scale_max);
  d.jitter = rng.Bernoulli(o.jitter_p);
  d.factors = {static_cast<float>(Factor(rng, o.brightness)), static_cast<float>(Factor(rng, o.contrast)),
               static_cast<float>(Factor(rng, o.saturation)), static_cast<float>(rng.Uniform(-o.hue, o.hue))};
  rng.Shuffle(d.order);
  d.grayscale = rng.Bernoulli(o.grayscale_p);
  const bool blur = rng.Bernoulli(o.blur_p);
  const double sigma = rng.Uniform(o.blur_sigma_min, o.blur_sigma_max);
  d.sigma = blur ? sigma : 0;
  d.solarize = rng.Bernoulli(o.solarize_p);
  if (rng.Bernoulli(o.erase_p)) {
    d.erase = RandomEraseBox(erase_rng, size_ > 0 ? size_ : height, size_ > 0 ? size_ : width, o.erase_scale_min,
                             o.erase_scale_max, o.erase_ratio_min, o.erase_ratio_max);
  }
  return d;
}

torch::Tensor Augmenter::Jitter(torch::Tensor x, std::span<const AugmentDraw> draws) const {
  const bool simclr = options_.jitter_form == "simclr";
  for (int64_t place = 0; place < 4; ++place) {
    for (int64_t kind = 0; kind < 4; ++kind) {
      const float neutral = kind == 3 ? 0.0f : 1.0f;
      const Rows rows = Where(draws, [&](const AugmentDraw& d) {
        return d.jitter && d.order[place] == kind && d.factors[kind] != neutral;
      });
      if (rows.empty()) continue;
      const auto factor =
          torch::tensor(Collect<float>(draws, rows, [&](const AugmentDraw& d) { return d.factors[kind]; }));
      x = OnRows(x, rows, [&](const torch::Tensor& part) {
        switch (kind) {
          case 0:
            return AdjustBrightness(part, factor);
          case 1:
            return simclr ? AdjustContrastPerChannel(part, factor) : AdjustContrast(part, factor);
          case 2:
            return simclr ? AdjustSaturationHsv(part, factor) : AdjustSaturation(part, factor);
          default:
            return AdjustHue(part, factor);
        }
      });
    }
  }
  return x;
}

torch::Tensor Augmenter::Apply(const torch::Tensor& input, std::span<const AugmentDraw> draws) const {
  V2R_CHECK(input.dim() == 4 && input.size(1) == 3 && input.is_floating_point(),
            "pictures must be float [B,3,H,W]");
  V2R_CHECK_EQ(input.size(0), static_cast<int64_t>(draws.size()));
  const torch::NoGradGuard no_grad;
  torch::Tensor x = input;
  Rows all(draws.size());
  for (size_t b = 0; b < all.size(); ++b) all[b] = static_cast<int64_t>(b);

  if (options_.shift > 0) {
    x = Shift(x, Collect<int64_t>(draws, all, [](const AugmentDraw& d) { return d.down; }),
              Collect<int64_t>(draws, all, [](const AugmentDraw& d) { return d.right; }));
  }
  const int64_t height = size_ > 0 ? size_ : x.size(2), width = size_ > 0 ? size_ : x.size(3);
  const bool cropped = std::any_of(draws.begin(), draws.end(), [](const AugmentDraw& d) { return d.crop.height > 0; });
  if (cropped || height != x.size(2) || width != x.size(3)) {
    const CropBox whole{0, 0, x.size(2), x.size(3)};
    const auto boxes = Collect<CropBox>(
        draws, all, [&](const AugmentDraw& d) { return d.crop.height > 0 ? d.crop : whole; });
    const std::string mode =
        cropped ? options_.crop_interpolation + (options_.antialias ? "" : "_point") : std::string("area");
    x = ResizedCrop(x, boxes, height, width, mode).clamp_(0, 1);
  }
  x = OnRows(x, Where(draws, [](const AugmentDraw& d) { return d.flip; }), FlipHorizontal);
  const Rows turned = Where(draws, [](const AugmentDraw& d) { return d.affine; });
  x = OnRows(x, turned, [&](const torch::Tensor& part) {
    return AffineOver(part, Collect<AffineMap>(draws, turned, [](const AugmentDraw& d) { return d.map; }), "bilinear",
                      options_.affine_fill);
  });
  x = Jitter(x, draws);
  x = OnRows(x, Where(draws, [](const AugmentDraw& d) { return d.grayscale; }),
             [](const torch::Tensor& part) { return Grayscale(part).expand({-1, 3, -1, -1}); });
  const Rows blurred = Where(draws, [](const AugmentDraw& d) { return d.sigma > 0; });
  x = OnRows(x, blurred, [&](const torch::Tensor& part) {
    const int64_t radius = options_.blur_radius > 0 ? options_.blur_radius : std::max<int64_t>(1, height / 20);
    return Blur(part, Collect<double>(draws, blurred, [](const AugmentDraw& d) { return d.sigma; }), radius,
                options_.blur_form)
        .clamp_(0, 1);
  });
  x = OnRows(x, Where(draws, [](const AugmentDraw& d) { return d.solarize; }),
             [&](const torch::Tensor& part) { return Solarize(part, options_.solarize_threshold); });
  if (options_.erase_p > 0) {
    x = Erase(x, Collect<CropBox>(draws, all, [](const AugmentDraw& d) { return d.erase; }), options_.erase_value);
  }
  return x;
}

torch::Tensor Augmenter::operator()(const torch::Tensor& x, Rng& rng, int64_t group) const {
  V2R_CHECK(x.dim() == 4 && group >= 1 && x.size(0) % group == 0, "{} pictures in groups of {}", x.size(0), group);
  std::vector<AugmentDraw> draws;
  draws.reserve(static_cast<size_t>(x.size(0)));
  for (int64_t g = 0; g < x.size(0) / group; ++g) {
    const AugmentDraw draw = Draw(rng, x.size(2), x.size(3));
    draws.insert(draws.end(), static_cast<size_t>(group), draw);
  }
  const torch::NoGradGuard no_grad;
  auto result = Apply(x, draws);
  if (options_.noise_std > 0) {
    const auto noise = torch::randn(result.sizes(), MakeGenerator(rng), torch::kFloat);
    result = result.add(noise.to(result.device(), result.scalar_type()), options_.noise_std).clamp_(0, 1);
  }
  return result;
}

torch::Tensor FramesToFloat(const torch::Tensor& frames) {
  V2R_CHECK(frames.dim() >= 3 && frames.size(-1) == 3 && frames.scalar_type() == torch::kUInt8,
            "frames must be uint8 [...,H,W,3]");
  return frames.movedim(-1, -3).to(torch::kFloat, /*non_blocking=*/false, /*copy=*/false,
                                   at::MemoryFormat::Contiguous)
      .div_(255);
}

}  // namespace v2r
