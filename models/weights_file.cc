#include "models/weights_file.h"

#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {

WeightsFile::WeightsFile(const std::filesystem::path& path) : path_(path) {
  if (TorchFile::IsTorchFile(path)) {
    torch_ = std::make_unique<TorchFile>(path);
    container_ = torch_->legacy() ? "PyTorch (legacy)" : "PyTorch (zip)";
    for (const auto& [name, entry] : torch_->tensors()) shapes_[name] = entry.shape;
    return;
  }
  SafetensorsFile file = ReadSafetensors(path);
  if (const auto format = file.metadata.find("format");
      format != file.metadata.end() && format->second == "v2r-encoder") {
    ThrowUser("{}: is an encoder file already: use it as encoder=FILE, or `v2r export` it",
              path.string());
  }
  container_ = "safetensors";
  tensors_ = std::move(file.tensors);
  for (const auto& [name, blob] : tensors_) shapes_[name] = blob.shape;
}

torch::Tensor WeightsFile::Read(const std::string& name) const {
  torch::Tensor tensor = ToTensor(torch_ ? torch_->Read(name) : tensors_.at(name));
  if (!tensor.is_floating_point()) return tensor;
  tensor = tensor.to(torch::kFloat);
  if (!tensor.isfinite().all().item<bool>()) {
    ThrowUser("{}: tensor '{}' has infinite or NaN values", path_.string(), name);
  }
  return tensor;
}

std::set<std::string> WeightsFile::skipped() const {
  return torch_ ? torch_->skipped() : std::set<std::string>();
}

}  // namespace v2r
