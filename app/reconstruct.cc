#include "app/reconstruct.h"

#include <vector>

#include "app/sheet.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/torch_rng.h"
#include "media/video.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"

namespace v2r {
namespace {

// The newest picture of a stack [3S,H,W] as the network sees it -> [3,H,W] in [0,1].
torch::Tensor Shown(const EncoderSpec& spec, const torch::Tensor& stack) {
  const auto channels = [](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat).view({3, 1, 1});
  };
  return stack.slice(0, -3).cpu() * channels(spec.std) + channels(spec.mean);
}

}  // namespace

int64_t WriteReconstructions(MaskedAutoencoder& model, const ClipSet& clips,
                             const ReconstructOptions& options, const std::filesystem::path& folder,
                             const torch::Device& device) {
  const EncoderSpec& spec = model.spec();
  const int64_t grid = spec.input_size / spec.patch_size;
  if (static_cast<double>(grid * grid) * (1 - options.mask_ratio) < 1) {
    ThrowUser("reconstruct.mask_ratio={} leaves none of {} patches", options.mask_ratio,
              grid * grid);
  }
  MakeDirectories(folder);
  const int side = TileScale(spec.input_size);
  const Rng rng(static_cast<uint64_t>(options.seed));
  Progress progress("reconstruction", static_cast<int64_t>(clips.clips.size()));
  for (size_t c = 0; c < clips.clips.size(); ++c) {
    PollInterrupt();
    const auto frames = SpreadOverClip(clips, static_cast<int64_t>(c), options.frames);
    const torch::Tensor pictures =
        Normalise(spec, PlainViews(clips, frames, spec).to(device)).contiguous();
    Rng stream = rng.Fork("clip", static_cast<int64_t>(c));
    const torch::Tensor noise = RandomUniform(stream, {pictures.size(0), grid * grid}).to(device);
    const auto painted = model.Reconstruct(pictures, noise);
    std::vector<Image> rows;
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto tile = [&](const torch::Tensor& all) {
        return FrameImage(Shown(spec, all[static_cast<int64_t>(i)]), side);
      };
      rows.push_back(TileRow({{fmt::format("frame {}", frames[i].frame), tile(pictures)},
                              {"masked", tile(painted.masked)},
                              {"painted", tile(painted.pasted)}}));
    }
    WritePng(folder / (FileNameOf(clips.clips[c]) + ".png"), Stacked(rows).view());
    progress.Update(static_cast<int64_t>(c) + 1, clips.clips[c].name);
  }
  return static_cast<int64_t>(clips.clips.size());
}

}  // namespace v2r
