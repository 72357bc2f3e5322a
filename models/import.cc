#include "models/import.h"

#include "core/error.h"
#include "core/tensor_file.h"

namespace v2r {

ImportResult ImportResNet(EncoderNetImpl& net, const std::filesystem::path& path, bool keep_fc) {
  const EncoderSpec& spec = net.spec();
  if (!spec.arch.starts_with("resnet")) {
    ThrowUser("{}: ResNet weights do not fit encoder.arch={}", path.string(), spec.arch);
  }
  if (spec.width != 1.0) {
    ThrowUser("{}: ResNet weights need encoder.width=1, it is {}", path.string(), spec.width);
  }
  TensorDict file = ToTensors(ReadSafetensors(path).tensors);
  ImportResult result;
  TensorDict state;
  for (auto& [name, tensor] : file) {
    if (name.starts_with("fc.") && !keep_fc) {
      result.dropped.push_back(name);
    } else {
      state[name] = tensor.is_floating_point() ? tensor.to(torch::kFloat) : tensor;
      result.loaded.push_back(name);
    }
  }
  if (auto conv = state.find("conv1.weight"); conv != state.end() && spec.frame_stack > 1) {
    conv->second =
        conv->second.repeat({1, spec.frame_stack, 1, 1}) / static_cast<double>(spec.frame_stack);
  }
  for (const auto& [name, tensor] : ModuleState(net)) {
    const bool ours =
        (name.starts_with("fc.") && !keep_fc) || name.ends_with("num_batches_tracked");
    if (ours && !state.contains(name)) state[name] = tensor;
  }
  LoadModuleState(net, state, path.string());
  return result;
}

}  // namespace v2r
