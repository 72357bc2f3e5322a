// Options of pretraining, shared by all methods and their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "media/augment.h"
#include "pretrain/ijepa_options.h"
#include "pretrain/step_options.h"
#include "pretrain/supervised_options.h"
#include "pretrain/temporal_options.h"

namespace v2r {

struct PretrainOptions : StepOptions, TemporalOptions {
  std::string method = "ranking";
  int64_t seed = 1;
  int64_t iterations = 600;
  int64_t batch_size = 64;
  std::string optimizer = "adamw";
  double learning_rate = 1e-3;
  double min_learning_rate = 0;
  double weight_decay = 0.01;
  double weight_decay_end = -1;
  double adam_beta2 = 0.999;
  bool decay_norm_and_bias = true;
  double clip_grad = 0;
  int64_t warmup_iterations = 0;
  std::string schedule = "cosine";
  std::string init_from;
  int64_t init_input_size = 0;
  std::string init_interpolation = "deit";
  bool freeze_encoder = false;
  bool data_dependent_init = true;
  std::vector<std::string> labels = {"good"};
  int64_t checkpoint_every = 0;
  int64_t log_every = 50;
  int64_t monitor_frames = 256;
  bool monitor_linear = false;
  AugmentOptions augment;
  // SimCLR
  double temperature = 0.1;
  std::string ntxent_scaling = "mean";
  int64_t projection_hidden = 128;
  int64_t projection_dim = 64;
  int64_t projection_layers = 2;
  int64_t temporal_window = 0;
  int64_t memory_size = 0;
  double second_blur_p = -1;
  double second_solarize_p = -1;
  // MoCo
  std::string moco_head = "mlp";
  int64_t queue_size = 4096;
  bool symmetric = false;
  int64_t bn_splits = 1;
  double ema_momentum = 0.99;
  std::string ema_schedule = "constant";
  bool predictor_norm = true;
  bool stop_grad_conv1 = false;
  // DINO
  int64_t out_dim = 1024;
  bool use_bn_in_head = false;
  bool norm_last_layer = true;
  double warmup_teacher_temp = 0.04;
  double teacher_temp = 0.04;
  int64_t warmup_teacher_temp_epochs = 0;
  int64_t freeze_last_layer = 1;
  int64_t epoch_iterations = 0;
  std::string centering = "centering";
  double center_momentum = 0.9;
  bool embedding_norm = false;
  int64_t local_crops_number = 8;
  int64_t local_crops_size = 0;
  std::vector<double> local_crops_scale = {0.05, 0.4};
  double local_blur_p = -1;
  // MAE
  double mask_ratio = 0.75;
  bool norm_pix_loss = true;
  int64_t decoder_dim = 64;
  int64_t decoder_depth = 2;
  int64_t decoder_heads = 4;
  IjepaOptions ijepa;
  SupervisedOptions supervised;
  DistillOptions distill;

  template <typename V>
  void Fields(V& v) {
    v("method", method, "pretraining method, see `v2r list pretrain`");
    v("seed", seed, "seed of weights, batches and augmentation", AtLeast(0));
    v("iterations", iterations, "optimiser steps, 0 = only initialise", AtLeast(0));
    v("batch_size", batch_size, "samples (pairs, triplets) a step", AtLeast(2));
    StepOptions::Fields(v);
    v("optimizer", optimizer, "optimiser", OneOf({"adamw", "adam", "sgd", "lars", "lars_clip"}));
    v("learning_rate", learning_rate, "step size after warm-up", AtLeast(0));
    v("min_learning_rate", min_learning_rate,
      "step size at the end of schedule linear, cosine, dino", AtLeast(0));
    v("weight_decay", weight_decay, "weight decay (decoupled for adamw)", AtLeast(0));
    v("weight_decay_end", weight_decay_end,
      "weight decay moves there along a half cosine (DINO 0.04 to 0.4), -1 = it stays",
      AtLeast(-1));
    v("adam_beta2", adam_beta2, "adamw, adam: decay of the mean square (MAE 0.95)",
      InRange(0, 0.99999));
    v("decay_norm_and_bias", decay_norm_and_bias,
      "false: weight decay spares parameters of one dimension (biases, normalisation), as MAE and "
      "DINO do");
    v("warmup_iterations", warmup_iterations, "linear warm-up", AtLeast(0));
    v("schedule", schedule,
      "step size after warm-up; dino is cosine whose warm-up ends one step earlier, as DINO's does",
      OneOf({"cosine", "linear", "constant", "dino"}));
    v("clip_grad", clip_grad,
      "each parameter's gradient on its own is scaled to at most this norm (DINO 3), 0 = off",
      AtLeast(0));
    v("init_from", init_from, "encoder file whose weights to start from, empty = fresh weights");
    v("init_input_size", init_input_size,
      "side of the pictures from here on where init_from's network takes other sizes (pooling avg "
      "or cls), 0 = as before; a transformer's positions are interpolated",
      AtLeast(0));
    v("init_interpolation", init_interpolation,
      "whose interpolation of learned positions: by size (DeiT, MAE) or by scale factor (DINO)",
      OneOf({"deit", "dino"}));
    v("freeze_encoder", freeze_encoder, "train only the method's heads on a frozen encoder");
    v("data_dependent_init", data_dependent_init,
      "fresh weights start with zero mean, unit deviation of the embedding");
    v("labels", labels, "labels of the clips to learn from (good, near_miss, random)");
    v("checkpoint_every", checkpoint_every,
      "iterations between checkpoints, 0 = only when interrupted", AtLeast(0));
    v("log_every", log_every, "iterations between metric rows", AtLeast(1));
    v("monitor_frames", monitor_frames,
      "pictures whose class the kNN monitor tells at every metric row, kept out of training (at "
      "most a tenth of the data); of clips without classes: frames whose clip it tells; 0 = off",
      AtLeast(0));
    v("monitor_linear", monitor_linear,
      "also fit a linear classifier on the monitor's embeddings at every metric row");
    v("augment", augment, "augmentation");
    v("temperature", temperature,
      "temperature of the softmax (simclr, moco, mocov3, tcc, lifs; tcn with tcn_loss=xirl or "
      "xirl_hinge; dino: of the student)",
      AtLeast(1e-4));
    v("ntxent_scaling", ntxent_scaling,
      "simclr: mean over 2N as in the paper, or the released sum of two means",
      OneOf({"mean", "simclr"}));
    v("projection_hidden", projection_hidden, "simclr, mocov3, dino: head's width", AtLeast(1));
    v("projection_dim", projection_dim,
      "simclr, moco, mocov3: output of the projection head; dino: its bottleneck", AtLeast(1));
    v("projection_layers", projection_layers,
      "simclr, mocov3, dino: layers of the projection head (SimCLR 2 = v1, 3 = v2; MoCo v3 2 for "
      "ResNet, 3 for ViT; DINO 3, the last layer not counted)",
      InRange(1, 4));
    v("temporal_window", temporal_window,
      "simclr, moco, mocov3, dino: views are frames up to this many steps apart, 0 = the same "
      "frame",
      AtLeast(0));
    v("memory_size", memory_size,
      "simclr: compare with a momentum network and this many of its past rows (v2: 65536), a "
      "multiple of twice batch_size; 0 = neither",
      AtLeast(0));
    v("second_blur_p", second_blur_p,
      "simclr, moco, mocov3, dino: blur_p of the second view, -1 = as the first's", InRange(-1, 1));
    v("second_solarize_p", second_solarize_p,
      "simclr, moco, mocov3, dino: solarize_p of the second view, -1 = as the first's",
      InRange(-1, 1));
    v("moco_head", moco_head,
      "moco: what is behind the embedding in training: a linear layer (v1), an MLP (v2), or none",
      OneOf({"none", "linear", "mlp"}));
    v("queue_size", queue_size, "moco: keys of past batches kept, a multiple of batch_size",
      AtLeast(1));
    v("symmetric", symmetric, "moco: both views are queries once");
    v("bn_splits", bn_splits,
      "moco: parts of a batch that BatchNorm takes apart, keys in shuffled order; 1 = none",
      AtLeast(1));
    v("ema_momentum", ema_momentum,
      "moco, mocov3, dino, ijepa, simclr with memory: share of the slow network that a step keeps",
      InRange(0, 1));
    v("ema_schedule", ema_schedule,
      "of ema_momentum: stays, or rises to 1 by the end of training (I-JEPA: linear)",
      OneOf({"constant", "cosine", "linear"}));
    v("predictor_norm", predictor_norm, "mocov3: a BatchNorm ends the predictor (ViT alone)");
    v("stop_grad_conv1", stop_grad_conv1,
      "mocov3: a transformer's patch embedding stays as it was drawn");
    v("out_dim", out_dim, "dino: outputs over which student and teacher agree (65536 in the paper)",
      AtLeast(2));
    v("use_bn_in_head", use_bn_in_head, "dino: BatchNorm between the layers of the head");
    v("norm_last_layer", norm_last_layer, "dino: rows of the last layer keep length 1");
    v("warmup_teacher_temp", warmup_teacher_temp,
      "dino: the teacher's temperature in the first of warmup_teacher_temp_epochs", AtLeast(1e-3));
    v("teacher_temp", teacher_temp, "dino: the teacher's temperature after them", AtLeast(1e-3));
    v("warmup_teacher_temp_epochs", warmup_teacher_temp_epochs,
      "dino: epochs in which the teacher's temperature rises", AtLeast(0));
    v("freeze_last_layer", freeze_last_layer,
      "dino: epochs in which the last layer stays as it was drawn", AtLeast(0));
    v("epoch_iterations", epoch_iterations,
      "dino: iterations that make an epoch, 0 = as many as show every frame once", AtLeast(0));
    v("centering", centering, "dino: how targets are kept apart (sinkhorn_knopp: DINOv2)",
      OneOf({"centering", "sinkhorn_knopp"}));
    v("center_momentum", center_momentum, "dino: share of the centre that a step keeps",
      InRange(0, 1));
    v("embedding_norm", embedding_norm,
      "dino: BatchNorm without weights between embedding and head, in the file part of the last "
      "layer: the frames of one scene else end up in one direction");
    v("local_crops_number", local_crops_number, "dino: small views besides the two global ones",
      InRange(0, 64));
    v("local_crops_size", local_crops_size,
      "dino: side of the small views in pixels, 0 = input_size; of another size where the encoder "
      "takes one (pooling avg or cls)",
      AtLeast(0));
    v("local_crops_scale", local_crops_scale,
      "dino: smallest and largest share of the area that a small view shows");
    v("local_blur_p", local_blur_p, "dino: blur_p of the small views, -1 = as the first's",
      InRange(-1, 1));
    v("mask_ratio", mask_ratio, "mae: share of the patches that the encoder does not see",
      InRange(0.01, 0.99));
    v("norm_pix_loss", norm_pix_loss,
      "mae: predict each patch scaled to mean 0 and deviation 1 instead of its pixels");
    v("decoder_dim", decoder_dim, "mae: width of the decoder", AtLeast(4));
    v("decoder_depth", decoder_depth, "mae: blocks of the decoder", InRange(1, 64));
    v("decoder_heads", decoder_heads, "mae: heads of the decoder", InRange(1, 64));
    v("ijepa", ijepa, "ijepa: its masks and predictor");
    v("supervised", supervised, "supervised: labels, mixing, what of the network is trained");
    v("distill", distill, "distill: its teacher and loss");
    TemporalOptions::Fields(v);
  }
};

}  // namespace v2r
