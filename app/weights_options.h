// What `v2r import` and `v2r export` read from their config.
#pragma once

#include <string>

#include "core/options.h"
#include "models/import.h"

namespace v2r {

struct ImportCommandOptions {
  std::string out = "encoder.safetensors";
  ImportOptions import;

  template <typename V>
  void Fields(V& v) {
    v("out", out, "encoder file to write");
    import.Fields(v);
  }
};

struct ExportCommandOptions {
  std::string out = "weights.safetensors";
  std::string names = "torchvision";

  template <typename V>
  void Fields(V& v) {
    v("out", out, "safetensors file to write");
    v("names", names, "whose names the tensors get", OneOf({"torchvision", "timm"}));
  }
};

}  // namespace v2r
