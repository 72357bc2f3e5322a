// PyTorch's .pth/.pt/.bin files without Python: what torch.save wrote, as far as it is tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/safetensors.h"

namespace v2r {

// Both containers (zip, since PyTorch 1.6, and the row of pickles before it), tensors through
// torch._utils's _rebuild_tensor, _v2, _v3, _rebuild_parameter and torch._tensor's
// _rebuild_from_type_v2, in dictionaries (plain, OrderedDict, defaultdict), lists and tuples. All
// other classes and functions are names: they are skipped and never run. Not for several threads at
// once.
class TorchFile {
 public:
  // What is known before the numbers are read.
  struct Entry {
    DType dtype = DType::kF32;
    std::vector<int64_t> shape;
    std::vector<int64_t> strides;  // in elements, none negative
    int64_t offset = 0;            // of the first element in its storage
    std::string storage;
  };

  // UserError naming the file: no such file, neither container, damaged, cut off, TorchScript, of a
  // big-endian machine, a tensor that reaches beyond its storage, no tensor at all.
  explicit TorchFile(const std::filesystem::path& path);
  ~TorchFile();
  TorchFile(const TorchFile&) = delete;
  TorchFile& operator=(const TorchFile&) = delete;

  // By the path of keys to it, joined by dots: "state_dict.module.conv1.weight".
  const std::map<std::string, Entry>& tensors() const { return tensors_; }
  // Row-major. UserError: its storage is damaged or not as long as the file says.
  Blob Read(const std::string& name) const;
  // Classes and functions that were skipped, with types of storage that are none of ours.
  const std::set<std::string>& skipped() const { return skipped_; }
  bool legacy() const;

  // Whether the file begins as one of the two containers does; false where it cannot be read.
  static bool IsTorchFile(const std::filesystem::path& path);

 private:
  struct Storages;
  std::filesystem::path path_;
  std::map<std::string, Entry> tensors_;
  std::set<std::string> skipped_;
  std::unique_ptr<Storages> storages_;
};

}  // namespace v2r
