#include "pretrain/lifs.h"

#include <utility>

#include "learn/losses.h"
#include "models/init.h"
#include "pretrain/sequences.h"

namespace v2r {
namespace {

constexpr int64_t kWidth = 64, kSide = 4, kPicture = 32;

torch::nn::Sequential Decoder(int64_t dim, int64_t channels, Rng& rng) {
  using torch::nn::Conv2dOptions;
  torch::nn::Sequential decoder;
  decoder->push_back(torch::nn::Linear(dim, kWidth * kSide * kSide));
  decoder->push_back(torch::nn::ReLU());
  decoder->push_back(torch::nn::Unflatten(torch::nn::UnflattenOptions(1, {kWidth, kSide, kSide})));
  int64_t width = kWidth;
  for (int64_t side = kSide; side < kPicture; side *= 2, width /= 2) {
    decoder->push_back(torch::nn::Upsample(torch::nn::UpsampleOptions()
                                               .scale_factor(std::vector<double>{2, 2})
                                               .mode(torch::kBilinear)
                                               .align_corners(false)));
    decoder->push_back(torch::nn::Conv2d(Conv2dOptions(width, width / 2, 3).padding(1)));
    decoder->push_back(torch::nn::ReLU());
  }
  decoder->push_back(torch::nn::Conv2d(Conv2dOptions(width, channels, 1)));
  InitWeights(*decoder, rng, ConvInit::kUniform);
  return decoder;
}

}  // namespace

InvariantFeatures::InvariantFeatures(const PretrainOptions& options, EncoderNet net, Rng& rng)
    : Method(options, std::move(net)) {
  RefuseUnseenRewind(options_, net_->spec());
  RefuseFrozenEncoder();
  decoder_ = Decoder(net_->output_dim(), 3 * net_->spec().frame_stack, rng);
  AddTrained("decoder", decoder_.ptr());
}

void InvariantFeatures::Prepare(const ClipSet& clips, const torch::Tensor& /*demos*/) {
  sampler_.emplace(clips, options_.clip_frames, "lifs (clip_frames)", 2);
}

PretrainBatch InvariantFeatures::Views(const ClipSet& clips, Rng& rng) const {
  auto frames = sampler_->Aligned(rng, options_.batch_size, options_.clip_frames);
  TurnBack(frames, options_, rng);
  return {
      {{"views", SampleViews(clips, frames, options_.clip_frames, options_, net_->spec(), rng)}}};
}

Pretrainer::StepResult InvariantFeatures::Loss(const PretrainBatch& batch, int64_t /*step*/) {
  const torch::Tensor& views = batch.tensors.at("views");
  const torch::Tensor z = Embed(views);
  const torch::Tensor pictures = Mixed([&] { return decoder_->forward(z); });
  const torch::Tensor alignment =
      Lifs(z.view({-1, options_.clip_frames, z.size(1)}), options_.temperature);
  const torch::Tensor reconstruction =
      torch::mse_loss(pictures, torch::adaptive_avg_pool2d(views, {kPicture, kPicture}));
  return {alignment + options_.recon_weight * reconstruction,
          {{"pretrain/alignment", alignment.item<double>()},
           {"pretrain/reconstruction", reconstruction.item<double>()}}};
}

}  // namespace v2r
