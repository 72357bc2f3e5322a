// What the methods have in common: an encoder net, named heads, their state.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "learn/amp.h"
#include "pretrain/options.h"
#include "pretrain/pretrainer.h"

namespace v2r {

class Method : public Pretrainer {
 public:
  // `net` is on its device already; what AddHead() and AddTrained() get follows it there.
  Method(const PretrainOptions& options, EncoderNet net);

  EncoderNet encoder() override { return net_; }
  // The net (unless frozen) and all that is trained along.
  std::vector<torch::Tensor> Parameters() override;
  std::map<std::string, Head> heads() override { return heads_; }
  StateDict SaveState() const override;
  void LoadState(const StateDict& state) override;

 protected:
  // A head that is trained along and goes into the encoder file.
  Head AddHead(const std::string& name, const HeadSpec& spec, Rng& rng);
  // A module that is trained along and dies with the training (a projection head).
  void AddTrained(const std::string& name, std::shared_ptr<torch::nn::Module> module);
  // What `forward` gives, as float: networks in it compute in options.precision. Losses belong
  // outside.
  template <typename F>
  torch::Tensor Mixed(const F& forward) const {
    const Autocast autocast(options_.precision, device());
    return forward().to(torch::kFloat);
  }
  // Which of the gradient_accumulation_steps batches of iteration `step` this is, from 0: what
  // moves once a step moves at the first, or in AfterStep(). To be called once a Loss().
  int64_t Part(int64_t step);
  // views float [B,3S,H,W] in [0,1] -> float [B,D], in options.precision. Without gradient and in
  // eval mode when the encoder is frozen.
  torch::Tensor Embed(const torch::Tensor& views) const;
  // Parameters() of a method that leaves the net's last linear layer as it is.
  std::vector<torch::Tensor> ParametersButLast();
  // UserError: with freeze_encoder=true this method has nothing left to train.
  void RefuseFrozenEncoder() const;

  const PretrainOptions options_;
  const EncoderNet net_;

 private:
  torch::Device device() const { return net_->parameters().at(0).device(); }

  int64_t step_ = -1, part_ = 0;  // of Part()
  std::map<std::string, std::shared_ptr<torch::nn::Module>> trained_;
  std::map<std::string, Head> heads_;
};

// A network of the same weights that no gradient reaches, in train mode as the references' momentum
// encoders and teachers: its BatchNorm gathers statistics of its own.
EncoderNet MomentumNet(const EncoderNet& net);
// What such a network keeps at iteration `step`: options.ema_momentum along options.ema_schedule.
double EmaMomentum(const PretrainOptions& options, int64_t step);

// float [B,3S,H,W] in [0,1] -> normalised by the spec's mean and deviation, as
// EncoderNetImpl::forward takes it, channels-last.
torch::Tensor Normalise(const EncoderSpec& spec, const torch::Tensor& pictures);

}  // namespace v2r
