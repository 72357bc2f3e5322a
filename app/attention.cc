#include "app/attention.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "app/sheet.h"
#include "core/error.h"
#include "core/files.h"
#include "core/frame.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "media/draw.h"
#include "media/video.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

// Black, red, yellow, white.
Color Heat(double value) {
  const auto channel = [&](double from) {
    return static_cast<uint8_t>(std::lround(255 * std::clamp(3 * value - from, 0.0, 1.0)));
  };
  return {channel(0), channel(1), channel(2)};
}

// [rows,cols] -> rows x cols pixels, each value a square of `side` pixels.
Image HeatImage(const torch::Tensor& map, int side) {
  const torch::Tensor values = map.to(torch::kCPU, torch::kDouble).contiguous();
  const double least = values.min().item<double>(), most = values.max().item<double>();
  const auto rows = static_cast<int>(values.size(0)), cols = static_cast<int>(values.size(1));
  Image image(rows * side, cols * side);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      const double value = values.const_data_ptr<double>()[r * cols + c];
      const double share = most > least ? (value - least) / (most - least) : 0;
      FillRect(image, c * side, r * side, side, side, Heat(share));
    }
  }
  return image;
}

// picture [3,H,W], maps [heads,rows,cols].
Image Sheet(const torch::Tensor& picture, const torch::Tensor& maps, int64_t patch) {
  const int side = TileScale(picture.size(1));
  std::vector<TitledTile> tiles;
  tiles.emplace_back("frame", FrameImage(picture, side));
  const int square = side * static_cast<int>(patch);
  tiles.emplace_back("mean", HeatImage(maps.mean(0), square));
  for (int64_t h = 0; h < maps.size(0); ++h) {
    tiles.emplace_back(fmt::format("head {}", h), HeatImage(maps[h], square));
  }
  return TileRow(tiles);
}

}  // namespace

torch::Tensor AttentionMaps(VitImpl& net, const torch::Tensor& x, double threshold) {
  const torch::NoGradGuard no_grad;
  const int64_t patch = net.spec().patch_size;
  // The cls token's row: its look at the patches.
  const torch::Tensor flat = net.LastAttention(x).select(2, 0).slice(2, net.extra_tokens());
  torch::Tensor maps = flat;
  if (threshold > 0) {
    const auto [sorted, order] = flat.sort(-1);
    const auto share = (sorted / sorted.sum(-1, /*keepdim=*/true)).cumsum(-1);
    const auto kept =
        torch::zeros_like(flat).scatter(-1, order, share.gt(1 - threshold).to(flat.scalar_type()));
    maps = flat * kept;
  }
  return maps.view({x.size(0), flat.size(1), x.size(2) / patch, x.size(3) / patch});
}

Vit RequireVit(const EncoderNet& net, const std::filesystem::path& file) {
  const auto vit = std::dynamic_pointer_cast<VitImpl>(net);
  if (!vit) {
    ThrowUser(
        "attention.enabled=true: {} holds encoder.arch={}, which has no attention to show. Take an "
        "encoder file of a transformer (vit_micro, vit_tiny, vit_small, vit_base, vit_large)",
        file.string(), net->spec().arch);
  }
  if (!net->spec().cls_token) {
    ThrowUser(
        "attention.enabled=true: {} has encoder.cls_token=false, and it is the cls token's "
        "attention "
        "that is shown",
        file.string());
  }
  return vit;
}

int64_t WriteAttention(VitImpl& net, const ClipSet& clips, const AttentionOptions& options,
                       const std::filesystem::path& folder) {
  MakeDirectories(folder);
  net.eval();
  const EncoderSpec& spec = net.spec();
  const torch::Device device = net.parameters().at(0).device();
  Progress progress("attention", static_cast<int64_t>(clips.clips.size()));
  int64_t written = 0;
  for (size_t c = 0; c < clips.clips.size(); ++c) {
    PollInterrupt();
    const auto frames = SpreadOverClip(clips, static_cast<int64_t>(c), options.frames);
    const torch::Tensor pictures = PlainViews(clips, frames, spec).to(device);
    const torch::Tensor maps = AttentionMaps(net, Normalise(spec, pictures), options.threshold);
    const std::string name = FileNameOf(clips.clips[c]);
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const torch::Tensor newest = pictures[row].slice(0, -3);  // of a stack
      const Image sheet = Sheet(newest, maps[row], spec.patch_size);
      WritePng(folder / fmt::format("{}_frame_{:06}.png", name, frames[i].frame), sheet.view());
      ++written;
    }
    progress.Update(static_cast<int64_t>(c) + 1, clips.clips[c].name);
  }
  return written;
}

}  // namespace v2r
