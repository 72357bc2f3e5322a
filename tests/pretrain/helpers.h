// Procedural clips, small settings and a temporary folder for the tests of pretraining.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "core/tensor_file.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "pretrain/heads.h"
#include "pretrain/method.h"
#include "pretrain/pictures.h"
#include "pretrain/trainer.h"

namespace v2r {

// A bright square that travels from a random place to a fixed one: uint8 [frames,size,size,3].
inline torch::Tensor MovingSquare(int64_t frames, int64_t size, Rng& rng, bool to_goal = true) {
  const double side = size / 5.0;
  const double room = size - side;
  const double from_x = rng.Uniform(0, room * 0.4), from_y = rng.Uniform(0, room);
  const double to_x = to_goal ? room * 0.9 : rng.Uniform(0, room);
  const double to_y = to_goal ? room * 0.5 : rng.Uniform(0, room);
  torch::Tensor clip = torch::full({frames, size, size, 3}, 40, torch::kByte);
  clip.select(3, 1).fill_(70);
  for (int64_t t = 0; t < frames; ++t) {
    const double share = frames > 1 ? static_cast<double>(t) / static_cast<double>(frames - 1) : 0;
    const auto x = static_cast<int64_t>(from_x + share * (to_x - from_x));
    const auto y = static_cast<int64_t>(from_y + share * (to_y - from_y));
    const auto width = static_cast<int64_t>(side);
    clip[t].slice(0, y, y + width).slice(1, x, x + width).select(2, 0).fill_(230);
  }
  return clip;
}

// `good` clips that end at the goal, and `random` ones that do not.
inline ClipSet Squares(int64_t good = 6, int64_t random = 0, int64_t frames = 16,
                       int64_t size = 32) {
  ClipSet set;
  Rng rng(11);
  for (int64_t i = 0; i < good + random; ++i) {
    const bool is_good = i < good;
    const std::string label = is_good ? "good" : "random";
    set.clips.push_back(
        {fmt::format("{}/{}", label, i), label, MovingSquare(frames, size, rng, is_good), 25.0});
  }
  return set;
}

inline EncoderSpec TinySpec() {
  EncoderSpec spec;
  spec.width = 0.25;
  spec.embedding_dim = 16;
  spec.input_size = 32;
  return spec;
}

// Squares of two colours, which are their classes: clip i is of class i % 2.
inline ClipSet ColouredSquares(int64_t good = 18, int64_t random = 0, int64_t frames = 8) {
  ClipSet set = Squares(good, random, frames);
  set.classes = {"red", "blue"};
  for (size_t i = 0; i < set.clips.size(); ++i) {
    Clip& clip = set.clips[i];
    clip.target = static_cast<int64_t>(i % 2);
    if (clip.target == 1) clip.frames = clip.frames.flip(3).contiguous();
  }
  return set;
}

inline bool LearnsFromLabels(const std::string& method) {
  return method == "supervised" || method == "distill";
}

// Clips that the method can learn from.
inline ClipSet TinyClips(const std::string& method, int64_t good = 6, int64_t random = 0) {
  return LearnsFromLabels(method) ? ColouredSquares(3 * good, 3 * random) : Squares(good, random);
}

// What the method takes: transformers only for mae and ijepa, small views of dino only after global
// pooling; a transformer for supervised, whose layers all options know.
inline EncoderSpec TinySpec(const std::string& method) {
  EncoderSpec spec = TinySpec();
  if (method == "dino") spec.pooling = "avg";
  if (method != "mae" && method != "ijepa" && method != "supervised") return spec;
  spec.arch = "vit_micro";
  spec.depth = 2;
  spec.pooling = "avg";
  spec.cls_token = method != "ijepa";
  if (method == "ijepa") spec.patch_size = 4;
  return spec;
}

// A folder that goes away.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "v2r_pretrain_XXXXXX").string();
    V2R_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// A teacher that tells the classes of ColouredSquares() and is sure of itself, on a network of `seed`.
inline std::string TeacherFile(const EncoderSpec& spec, uint64_t seed = 3) {
  static const TempFolder folder;
  const auto path = folder / fmt::format("teacher_{}_{}.safetensors", spec.frame_stack, seed);
  if (std::filesystem::exists(path)) return path.string();
  Rng rng(seed);
  const EncoderNet net = MakeEncoderNet(spec, rng);
  const ClipSet clips = ColouredSquares();
  const auto frames = SpreadFrames(clips, 64);
  const auto x = Normalise(spec, PlainViews(clips, frames, spec));
  DataDependentInit(*net, x);
  const torch::NoGradGuard no_grad;
  const auto z = net->forward(x);
  torch::Tensor towards = torch::zeros({net->output_dim()});  // from the mean of red to that of blue
  for (size_t i = 0; i < frames.size(); ++i) towards += z[i] * (frames[i].clip % 2 == 1 ? 1 : -1);
  const auto head =
      std::make_shared<HeadImpl>(HeadSpec{.in_dim = net->output_dim(), .out_dim = 2}, rng);
  InitLastLayer(*head, 0, rng);
  auto weight = head->named_parameters()["layers.0.weight"];
  weight.copy_(torch::stack({-towards, towards}) / towards.norm());
  SaveEncoder(path, *net, {{"classifier", head}}, {{"classes", "red, blue"}});
  return path.string();
}

inline PretrainOptions TinyOptions(const std::string& method, int64_t iterations = 3) {
  PretrainOptions options;
  options.method = method;
  options.iterations = iterations;
  options.batch_size = 8;
  options.negative_window = 5;
  options.projection_hidden = 16;
  options.projection_dim = 8;
  options.rank_hidden = {16};
  options.queue_size = 64;
  options.decoder_dim = 16;
  options.decoder_depth = 1;
  options.ijepa.min_keep = 4;
  options.ijepa.pred_emb_dim = 16;
  options.ijepa.pred_depth = 1;
  options.out_dim = 32;
  options.local_crops_number = 2;
  options.clip_frames = 6;
  options.progress.hidden = {16};
  // Steep where the embedding's scale is still that of the start.
  if (method == "progress" || method == "lifs") options.clip_grad = 0.1;
  if (method == "distill") options.distill.teacher = TeacherFile(TinySpec());
  return options;
}

// Sets keys as a config file would.
inline PretrainOptions With(PretrainOptions options, const std::string& yaml) {
  Bind(ParseYaml(yaml, "test"), options, "pretrain");
  return options;
}

// What is logged while it lives.
class LogCapture {
 public:
  LogCapture() : sink_(std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)) {
    spdlog::default_logger()->sinks().push_back(sink_);
  }
  ~LogCapture() {
    auto& sinks = spdlog::default_logger()->sinks();
    sinks.erase(std::find(sinks.begin(), sinks.end(), sink_));
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::sinks::ostream_sink_mt> sink_;
};

inline StateDict Tensors(const std::filesystem::path& file) {
  return ReadSafetensors(file).tensors;
}

inline bool SameBits(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, blob] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second.shape != blob.shape || other->second.bytes != blob.bytes)
      return false;
  }
  return true;
}

// The message of the UserError that `body` throws; fails the test when there is none.
template <typename Body>
std::string UserMessage(Body body) {
  try {
    body();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no UserError";
  return "";
}

inline const torch::Device kCpu = torch::kCPU;
// Networks this small are slower on two threads than on one.
inline const bool kOneThread = (at::set_num_threads(1), true);

}  // namespace v2r
