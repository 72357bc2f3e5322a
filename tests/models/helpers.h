// What several tests of models/ need.
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "core/torch_rng.h"
#include "models/encoder.h"

namespace v2r {

// Smooth random pictures uint8 [n,size,size,3]: coarse noise enlarged, so that neighbouring pixels
// are alike.
inline torch::Tensor RandomPictures(int64_t n, int64_t size, uint64_t seed = 1) {
  Rng rng(seed);
  const auto coarse = RandomUniform(rng, {n, 3, 8, 8}) * 255;
  const auto fine = torch::upsample_bilinear2d(coarse, {size, size}, false);
  return fine.permute({0, 2, 3, 1}).round().clamp(0, 255).to(torch::kUInt8).contiguous();
}

// A net whose BatchNorm statistics are not the identity, in eval mode.
inline EncoderNet RandomNet(const EncoderSpec& spec, uint64_t seed = 1) {
  Rng rng(seed);
  EncoderNet net = MakeEncoderNet(spec, rng);
  const torch::NoGradGuard no_grad;
  for (const auto& item : net->named_buffers()) {
    if (item.key().ends_with("running_mean"))
      item.value().copy_(RandomNormal(rng, item.value().sizes()) * 0.1);
    if (item.key().ends_with("running_var"))
      item.value().copy_(RandomUniform(rng, item.value().sizes()) + 0.5);
  }
  for (const auto& item : net->named_parameters()) {
    if (item.key().find("bn") != std::string::npos && item.key().ends_with("weight")) {
      item.value().copy_(RandomUniform(rng, item.value().sizes()) + 0.5);
    }
  }
  net->eval();
  return net;
}

// All but "pixels", which has nothing to learn.
inline std::vector<std::string> NetworkArchs() {
  std::vector<std::string> archs = EncoderArchNames();
  std::erase(archs, "pixels");
  return archs;
}

inline EncoderSpec SmallSpec(const std::string& arch) {
  EncoderSpec spec;
  spec.arch = arch;
  spec.embedding_dim = 12;
  spec.input_size = arch == "nature" ? 48 : 32;
  if (arch == "pixels") spec.embedding_dim = 0;
  if (arch.starts_with("resnet")) {
    spec.width = 0.125;
    spec.pooling = "avg";
  }
  if (arch.starts_with("vit")) {
    spec.width = arch == "vit_micro" ? 0.25 : 0.125;
    spec.depth = 2;
    spec.patch_size = arch == "vit_micro" ? 8 : 16;
  }
  return spec;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "v2r_models_XXXXXX").string();
    V2R_CHECK(mkdtemp(name.data()) != nullptr, "no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The message of the UserError that `action` throws; a test failure when it throws none.
template <typename Action>
std::string UserErrorOf(Action action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no UserError";
  return "";
}

}  // namespace v2r
