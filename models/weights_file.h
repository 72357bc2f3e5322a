// Weights as others store them: safetensors, or either of PyTorch's containers.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "core/torch_file.h"

namespace v2r {

class WeightsFile {
 public:
  using Shapes = std::map<std::string, std::vector<int64_t>>;

  // UserError naming the file: none of the three, damaged, or an encoder file of ours.
  explicit WeightsFile(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }
  // "safetensors", "PyTorch (zip)" or "PyTorch (legacy)"
  const std::string& container() const { return container_; }
  // By the path of keys to the tensor, joined by dots.
  const Shapes& shapes() const { return shapes_; }
  // On the CPU; floating types as float32. UserError: damaged, infinite or NaN values.
  torch::Tensor Read(const std::string& name) const;
  // Python classes in the file that were skipped, never run.
  std::set<std::string> skipped() const;

 private:
  std::filesystem::path path_;
  std::string container_;
  Shapes shapes_;
  StateDict tensors_;                 // safetensors
  std::unique_ptr<TorchFile> torch_;  // else
};

}  // namespace v2r
