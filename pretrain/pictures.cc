#include "pretrain/pictures.h"

#include <algorithm>
#include <unordered_set>

#include "core/error.h"

namespace v2r {
namespace {

// All frames, clip after clip, by number: a data set may have as many clips as pictures.
class FrameNumbers {
 public:
  explicit FrameNumbers(const ClipSet& clips) {
    ends_.reserve(clips.clips.size());
    for (const Clip& clip : clips.clips) ends_.push_back(total() + clip.frames.size(0));
  }
  int64_t total() const { return ends_.empty() ? 0 : ends_.back(); }
  FrameIndex operator[](int64_t index) const {
    V2R_CHECK_LT(index, total());
    const auto clip = std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin();
    return {clip, index - (clip > 0 ? ends_[clip - 1] : 0)};
  }

 private:
  std::vector<int64_t> ends_;
};

// RGB pixels, one after the other -> a red, a green and a blue plane in [0,1].
void ToPlanes(const uint8_t* rgb, int64_t pixels, float* planes) {
  constexpr float kScale = 1.0f / 255.0f;
  for (int64_t i = 0; i < pixels; ++i) {
    planes[i] = static_cast<float>(rgb[3 * i]) * kScale;
    planes[pixels + i] = static_cast<float>(rgb[3 * i + 1]) * kScale;
    planes[2 * pixels + i] = static_cast<float>(rgb[3 * i + 2]) * kScale;
  }
}

}  // namespace

torch::Tensor PlainViews(const ClipSet& clips, std::span<const FrameIndex> frames,
                         const EncoderSpec& spec) {
  const int64_t stack = spec.frame_stack;
  const int64_t size = spec.input_size;
  const int64_t pixels = size * size;
  torch::Tensor views =
      torch::empty({static_cast<int64_t>(frames.size()), 3 * stack, size, size}, torch::kFloat);
  float* to = views.data_ptr<float>();
  for (const FrameIndex& index : frames) {
    const torch::Tensor& clip = clips.clips[index.clip].frames;
    V2R_CHECK(clip.size(1) == size && clip.size(2) == size, "frames of {}x{}", clip.size(1),
              clip.size(2));
    const uint8_t* from = clip.const_data_ptr<uint8_t>();
    const int64_t last = clip.size(0) - 1;
    for (int64_t s = stack - 1; s >= 0; --s, to += 3 * pixels) {
      const int64_t before = index.backward ? index.frame + s : index.frame - s;
      ToPlanes(from + std::clamp<int64_t>(before, 0, last) * pixels * 3, pixels, to);
    }
  }
  return views;
}

torch::Tensor AugmentedViews(const ClipSet& clips, std::span<const FrameIndex> frames,
                             const AugmentOptions& augment, const EncoderSpec& spec, Rng& rng,
                             int64_t size) {
  const torch::Tensor plain = PlainViews(clips, frames, spec);
  const torch::Tensor pictures = plain.view({-1, 3, spec.input_size, spec.input_size});
  const torch::Tensor views = Augmenter(augment, size)(pictures, rng, spec.frame_stack);
  return views.view({plain.size(0), plain.size(1), views.size(2), views.size(3)});
}

std::vector<FrameIndex> FramePairs(const ClipSet& clips, const PretrainOptions& options, Rng& rng) {
  const int64_t count = options.batch_size, window = options.temporal_window;
  std::vector<FrameIndex> frames = DistinctFrames(clips, count, rng);
  frames.reserve(2 * frames.size());
  for (int64_t i = 0; i < count; ++i) {
    const FrameIndex anchor = frames[i];
    const int64_t end = clips.clips[anchor.clip].frames.size(0) - 1;
    const int64_t first = std::max<int64_t>(0, anchor.frame - window);
    const int64_t last = std::min(end, anchor.frame + window);
    frames.push_back({anchor.clip, first + static_cast<int64_t>(rng.Below(last - first + 1))});
  }
  return frames;
}

torch::Tensor TwoViews(const ClipSet& clips, std::span<const FrameIndex> pairs,
                       const PretrainOptions& options, const EncoderSpec& spec, Rng& rng) {
  if (options.second_blur_p < 0 && options.second_solarize_p < 0) {
    return AugmentedViews(clips, pairs, options.augment, spec, rng);
  }
  AugmentOptions second = options.augment;
  if (options.second_blur_p >= 0) second.blur_p = options.second_blur_p;
  if (options.second_solarize_p >= 0) second.solarize_p = options.second_solarize_p;
  const size_t half = pairs.size() / 2;
  const auto first = AugmentedViews(clips, pairs.first(half), options.augment, spec, rng);
  return torch::cat({first, AugmentedViews(clips, pairs.subspan(half), second, spec, rng)});
}

torch::Tensor TwoViews(const ClipSet& clips, const PretrainOptions& options,
                       const EncoderSpec& spec, Rng& rng) {
  return TwoViews(clips, FramePairs(clips, options, rng), options, spec, rng);
}

void RequireDistinctFrames(const ClipSet& clips, const PretrainOptions& options) {
  const int64_t frames = clips.TotalFrames();
  if (frames >= options.batch_size) return;
  ThrowUser(
      "pretrain.batch_size={}: {} needs as many different frames, the clips have {}. Use a smaller "
      "batch or more clips",
      options.batch_size, options.method, frames);
}

std::vector<FrameIndex> SpreadFrames(const ClipSet& clips, int64_t count) {
  const FrameNumbers numbers(clips);
  const int64_t total = numbers.total();
  count = std::min(count, total);
  std::vector<FrameIndex> frames;
  frames.reserve(count);
  for (int64_t i = 0; i < count; ++i) frames.push_back(numbers[i * total / count]);
  return frames;
}

std::vector<FrameIndex> DistinctFrames(const ClipSet& clips, int64_t count, Rng& rng) {
  const FrameNumbers numbers(clips);
  const int64_t total = numbers.total();
  V2R_CHECK_GE(total, count);
  // Floyd's sampling: a uniform subset with `count` draws.
  std::unordered_set<int64_t> taken;
  std::vector<FrameIndex> frames;
  frames.reserve(count);
  for (int64_t last = total - count; last < total; ++last) {
    int64_t index = static_cast<int64_t>(rng.Below(last + 1));
    if (!taken.insert(index).second) {
      index = last;
      taken.insert(index);
    }
    frames.push_back(numbers[index]);
  }
  return frames;
}

FrameIndex NearbyFrame(const ClipSet& clips, FrameIndex frame, int64_t window, Rng& rng) {
  const int64_t first = std::max<int64_t>(0, frame.frame - window);
  const int64_t last = std::min(clips.clips[frame.clip].frames.size(0) - 1, frame.frame + window);
  V2R_CHECK_GT(last, first);
  const int64_t drawn = first + static_cast<int64_t>(rng.Below(last - first));
  return {frame.clip, drawn < frame.frame ? drawn : drawn + 1};
}

}  // namespace v2r
