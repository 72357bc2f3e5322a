// What each command reads from its config: one immutable typed tree a command.
#pragma once

#include <cstdint>
#include <string>

#include "agents/make.h"
#include "app/attention.h"
#include "app/reconstruct.h"
#include "core/options.h"
#include "envs/make.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/options.h"
#include "reward/make.h"

namespace v2r {

struct DemoOptions {
  std::string path;
  int64_t good = 25;
  int64_t near_miss = 8;
  int64_t random = 8;
  int64_t hold = 6;
  int64_t frame_size = 0;
  std::string format = "mp4";
  int64_t crf = 14;
  int64_t seed = 1;

  template <typename V>
  void Fields(V& v) {
    v("path", path,
      "folder of demonstration videos; empty = film the task's scripted expert into the run "
      "directory");
    v("good", good, "clips of successful episodes to film", AtLeast(1));
    v("near_miss", near_miss, "clips that end beside the goal (reports only)", AtLeast(0));
    v("random", random, "clips of random behaviour", AtLeast(0));
    v("hold", hold,
      "steps a good clip goes on after the success that lasts, -1 = to the end of the episode",
      AtLeast(-1));
    v("frame_size", frame_size,
      "height and width of the film in pixels, even; 0 = an odd multiple of the reward's picture, "
      "400 or more",
      InRange(0, 1024));
    v("format", format,
      "film files: mp4 (H.264 in RGB: exact colours; for players, not for browsers), mp4_yuv420p "
      "(H.264 that browsers play too), webm (VP9), avi (MJPEG) or mkv (FFV1, lossless)",
      OneOf({"mp4", "mp4_yuv420p", "webm", "avi", "mkv"}));
    v("crf", crf, "constant rate factor of mp4 and webm, 0 = best quality and largest files",
      InRange(0, 51));
    v("seed", seed, "seed of the filmed episodes", AtLeast(0));
  }
};

// An encoder file, or the network to pretrain.
struct EncoderOptions {
  std::string path;
  EncoderSpec spec;

  template <typename V>
  void Fields(V& v) {
    v("path", path,
      "encoder file to use as it is; empty = pretrain one (encoder=FILE is short for "
      "encoder.path=FILE)");
    spec.Fields(v);
  }
};

struct EvalOptions {
  int64_t episodes = 100;
  int64_t interval = 0;
  int64_t interval_episodes = 32;
  int64_t seed = 10000;

  template <typename V>
  void Fields(V& v) {
    v("episodes", episodes, "episodes of the final evaluation of the last policy", AtLeast(1));
    v("interval", interval, "environment steps between evaluations, 0 = a tenth of the run",
      AtLeast(0));
    v("interval_episodes", interval_episodes, "episodes of an evaluation during training",
      AtLeast(1));
    v("seed", seed, "seed of the evaluation episodes", AtLeast(0));
  }
};

struct RecordOptions {
  bool enabled = true;
  int64_t episodes = 4;
  int64_t interval = 0;
  int64_t frame_size = 256;

  template <typename V>
  void Fields(V& v) {
    v("enabled", enabled, "record videos with the curves of true and learned reward");
    v("episodes", episodes, "episodes a video", AtLeast(1));
    v("interval", interval, "environment steps between videos, 0 = half of the run", AtLeast(0));
    v("frame_size", frame_size, "height and width of the filmed picture, even", InRange(64, 1024));
  }
};

struct TrainOptions {
  std::string exp_name = "v2r";
  std::string run_dir;
  std::string runs_root = "runs";
  int64_t seed = 1;
  std::string device = "auto";
  int64_t torch_threads = 0;
  int64_t total_timesteps = 150000;
  int64_t checkpoint_interval = 0;
  bool tensorboard = true;
  EnvOptions env;
  DemoOptions demos;
  EncoderOptions encoder;
  PretrainOptions pretrain;
  RewardOptions reward;
  AgentOptions agent;
  EvalOptions eval;
  RecordOptions record;

  template <typename V>
  void Fields(V& v) {
    v("exp_name", exp_name, "name of the experiment, part of the run directory's name");
    v("run_dir", run_dir,
      "run directory; empty = {runs_root}/{env}__{exp_name}__{seed}__{date-time}");
    v("runs_root", runs_root, "where run directories are made");
    v("seed", seed, "seed of the environments, the agent and the reward's online parts",
      AtLeast(0));
    v("device", device, "auto, cpu, cuda or cuda:N");
    v("torch_threads", torch_threads,
      "intra-op threads, 0 = number of cores; results are bit-equal for equal numbers", AtLeast(0));
    v("total_timesteps", total_timesteps, "environment steps of training", AtLeast(1));
    v("checkpoint_interval", checkpoint_interval,
      "environment steps between checkpoints, 0 = a tenth of the run", AtLeast(0));
    v("tensorboard", tensorboard, "write TensorBoard event files");
    v("env", env, "environment");
    v("demos", demos, "demonstrations");
    v("encoder", encoder, "encoder");
    v("pretrain", pretrain, "pretraining, used when encoder.path is empty");
    v("reward", reward, "reward");
    v("agent", agent, "agent");
    v("eval", eval, "evaluation");
    v("record", record, "recording");
  }
};

// v2r demos: films a task's scripted expert.
struct DemosCommandOptions {
  std::string out = "demos";
  EnvOptions env;
  DemoOptions demos;

  template <typename V>
  void Fields(V& v) {
    v("out", out, "folder the clips and manifest.json go to");
    v("env", env, "environment");
    v("demos", demos, "what to film");
  }
};

// v2r pretrain: from videos to an encoder file.
struct PretrainCommandOptions {
  std::string out;
  std::string runs_root = "runs";
  std::string device = "auto";
  int64_t torch_threads = 0;
  DataOptions data;
  EncoderOptions encoder;
  PretrainOptions pretrain;

  template <typename V>
  void Fields(V& v) {
    v("out", out,
      "encoder file to write; empty = "
      "{runs_root}/pretrain__{method}__{seed}__{date-time}/encoder.safetensors");
    v("runs_root", runs_root, "where run directories are made");
    v("device", device, "auto, cpu, cuda or cuda:N");
    v("torch_threads", torch_threads, "intra-op threads, 0 = number of cores", AtLeast(0));
    v("data", data, "videos (data=FOLDER is short for data.path=FOLDER)");
    v("encoder", encoder, "network to train");
    v("pretrain", pretrain, "method and its options");
  }
};

// v2r embed: pictures to embeddings.
struct EmbedCommandOptions {
  std::string out = "embeddings.safetensors";
  std::string device = "auto";
  int64_t torch_threads = 0;
  std::string dtype = "float32";
  DataOptions data;
  EncoderOptions encoder;
  AttentionOptions attention;
  ReconstructOptions reconstruct;

  template <typename V>
  void Fields(V& v) {
    v("out", out, "safetensors file: one tensor [T,D] a clip, named as the clip");
    v("device", device, "auto, cpu, cuda or cuda:N");
    v("torch_threads", torch_threads, "intra-op threads, 0 = number of cores", AtLeast(0));
    v("dtype", dtype, "of the encoder's convolutions", OneOf({"float32", "bfloat16"}));
    v("data", data, "videos (data=FOLDER is short for data.path=FOLDER)");
    v("encoder", encoder, "encoder.path: the encoder file (encoder=FILE)");
    v("attention", attention, "pictures of where a transformer looks");
    v("reconstruct", reconstruct, "pictures of what a masked autoencoder paints");
  }
};

}  // namespace v2r
