#include "core/tensor_file.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cstring>
#include <set>

#include "core/text.h"

namespace v2r {
namespace {

struct TypePair {
  DType dtype;
  torch::ScalarType scalar;
};
constexpr TypePair kTypes[] = {{DType::kBool, torch::kBool},   {DType::kU8, torch::kUInt8},
                               {DType::kI8, torch::kInt8},     {DType::kI16, torch::kInt16},
                               {DType::kI32, torch::kInt32},   {DType::kI64, torch::kInt64},
                               {DType::kF16, torch::kFloat16}, {DType::kBF16, torch::kBFloat16},
                               {DType::kF32, torch::kFloat32}, {DType::kF64, torch::kFloat64}};

std::string ShapeText(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// ---- the state an optimiser keeps for one parameter

using ParamState = torch::optim::OptimizerParamState;

template <typename State>
StateDict SaveAdamState(const State& state) {
  StateDict out;
  out["step"] = Blob::Scalar<int64_t>(state.step());
  out["exp_avg"] = ToBlob(state.exp_avg());
  out["exp_avg_sq"] = ToBlob(state.exp_avg_sq());
  if (state.max_exp_avg_sq().defined()) out["max_exp_avg_sq"] = ToBlob(state.max_exp_avg_sq());
  return out;
}

StateDict SaveParamState(const ParamState& state) {
  if (const auto* adam = dynamic_cast<const torch::optim::AdamParamState*>(&state)) {
    return SaveAdamState(*adam);
  }
  if (const auto* adamw = dynamic_cast<const torch::optim::AdamWParamState*>(&state)) {
    return SaveAdamState(*adamw);
  }
  const auto* sgd = dynamic_cast<const torch::optim::SGDParamState*>(&state);
  V2R_CHECK(sgd != nullptr, "an optimiser state that is neither Adam's, AdamW's nor SGD's");
  StateDict out;
  if (sgd->momentum_buffer().defined()) out["momentum_buffer"] = ToBlob(sgd->momentum_buffer());
  return out;
}

// Reads the tensors of one parameter; `used` collects the names that were read.
class StateReader {
 public:
  StateReader(const StateDict& state, std::string prefix, const torch::Tensor& param,
              const std::string& what, std::set<std::string>& used)
      : state_(state), prefix_(std::move(prefix)), param_(param), what_(what), used_(used) {}

  bool Has(const char* name) const { return state_.contains(prefix_ + name); }

  torch::Tensor Get(const char* name) {
    const std::string full = prefix_ + name;
    const torch::Tensor tensor = ToTensor(Require(state_, full, what_));
    used_.insert(full);
    if (tensor.sizes() != param_.sizes() || !tensor.is_floating_point()) {
      ThrowUser("{}: '{}' should be {} floating point, is {} {}", what_, full,
                ShapeText(param_.sizes()), ShapeText(tensor.sizes()),
                torch::toString(tensor.scalar_type()));
    }
    return tensor.to(param_.options().requires_grad(false));
  }

  int64_t GetStep() {
    const std::string full = prefix_ + "step";
    const Blob& blob = Require(state_, full, what_);
    used_.insert(full);
    if (blob.dtype != DType::kI64) {
      ThrowUser("{}: '{}' should be I64, is {}", what_, full, Name(blob.dtype));
    }
    return RequireScalar<int64_t>(state_, full, what_);
  }

 private:
  const StateDict& state_;
  std::string prefix_;
  const torch::Tensor& param_;
  const std::string& what_;
  std::set<std::string>& used_;
};

template <typename State>
std::unique_ptr<ParamState> ReadAdamState(StateReader& reader) {
  auto state = std::make_unique<State>();
  state->step(reader.GetStep());
  state->exp_avg(reader.Get("exp_avg"));
  state->exp_avg_sq(reader.Get("exp_avg_sq"));
  if (reader.Has("max_exp_avg_sq")) state->max_exp_avg_sq(reader.Get("max_exp_avg_sq"));
  return state;
}

std::unique_ptr<ParamState> ReadParamState(const torch::optim::OptimizerOptions& options,
                                           StateReader& reader) {
  if (dynamic_cast<const torch::optim::AdamOptions*>(&options) != nullptr) {
    return ReadAdamState<torch::optim::AdamParamState>(reader);
  }
  if (dynamic_cast<const torch::optim::AdamWOptions*>(&options) != nullptr) {
    return ReadAdamState<torch::optim::AdamWParamState>(reader);
  }
  V2R_CHECK(dynamic_cast<const torch::optim::SGDOptions*>(&options) != nullptr,
            "an optimiser that is neither Adam, AdamW nor SGD");
  auto state = std::make_unique<torch::optim::SGDParamState>();
  state->momentum_buffer(reader.Get("momentum_buffer"));
  return state;
}

}  // namespace

Blob ToBlob(const torch::Tensor& tensor) {
  V2R_CHECK(tensor.defined(), "an undefined tensor");
  const torch::Tensor cpu = tensor.detach().to(torch::kCPU).contiguous();
  Blob blob;
  bool known = false;
  for (const auto& pair : kTypes) {
    if (pair.scalar != cpu.scalar_type()) continue;
    blob.dtype = pair.dtype;
    known = true;
  }
  V2R_CHECK(known, "tensor type {}", torch::toString(cpu.scalar_type()));
  blob.shape = cpu.sizes().vec();
  blob.bytes.resize(cpu.nbytes());
  if (cpu.nbytes() > 0) std::memcpy(blob.bytes.data(), cpu.const_data_ptr(), cpu.nbytes());
  return blob;
}

torch::Tensor ToTensor(const Blob& blob) {
  torch::ScalarType type = torch::kFloat32;
  for (const auto& pair : kTypes) {
    if (pair.dtype == blob.dtype) type = pair.scalar;
  }
  torch::Tensor tensor = torch::empty(blob.shape, type);
  V2R_CHECK_EQ(tensor.nbytes(), blob.bytes.size());
  if (!blob.bytes.empty()) {
    std::memcpy(tensor.mutable_data_ptr(), blob.bytes.data(), blob.bytes.size());
  }
  return tensor;
}

StateDict ToStateDict(const TensorDict& tensors) {
  StateDict state;
  for (const auto& [name, tensor] : tensors) state[name] = ToBlob(tensor);
  return state;
}

TensorDict ToTensors(const StateDict& state) {
  TensorDict tensors;
  for (const auto& [name, blob] : state) tensors[name] = ToTensor(blob);
  return tensors;
}

TensorDict ModuleState(const torch::nn::Module& module) {
  TensorDict state;
  for (const auto& item : module.named_parameters()) state[item.key()] = item.value().detach();
  for (const auto& item : module.named_buffers()) state[item.key()] = item.value().detach();
  return state;
}

void LoadModuleState(torch::nn::Module& module, const TensorDict& state, const std::string& what) {
  const TensorDict own = ModuleState(module);
  std::vector<std::string> own_names, state_names;
  for (const auto& [name, tensor] : own) own_names.push_back(name);
  for (const auto& [name, tensor] : state) state_names.push_back(name);
  for (const auto& [name, target] : own) {
    const auto it = state.find(name);
    if (it == state.end()) {
      ThrowUser("{}: tensor '{}' {} is missing{}", what, name, ShapeText(target.sizes()),
                DidYouMean(name, state_names));
    }
    const torch::Tensor& source = it->second;
    if (source.sizes() != target.sizes()) {
      ThrowUser("{}: tensor '{}' should have shape {}, has {}", what, name,
                ShapeText(target.sizes()), ShapeText(source.sizes()));
    }
    if (source.is_floating_point() != target.is_floating_point()) {
      ThrowUser("{}: tensor '{}' should be {}, is {}", what, name,
                torch::toString(target.scalar_type()), torch::toString(source.scalar_type()));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (own.contains(name)) continue;
    ThrowUser("{}: tensor '{}' {} is unexpected: the network has no such tensor{}", what, name,
              ShapeText(tensor.sizes()), DidYouMean(name, own_names));
  }
  const torch::NoGradGuard no_grad;
  for (const auto& [name, target] : own) target.copy_(state.at(name));
}

StateDict SaveOptimizer(const torch::optim::Optimizer& optimizer) {
  StateDict out;
  size_t index = 0, group_index = 0;
  for (const auto& group : optimizer.param_groups()) {
    out[fmt::format("group.{}.lr", group_index++)] = Blob::Scalar<double>(group.options().get_lr());
    for (const auto& param : group.params()) {
      const auto it = optimizer.state().find(param.unsafeGetTensorImpl());
      if (it != optimizer.state().end()) {
        Merge(out, fmt::format("{}", index), SaveParamState(*it->second));
      }
      ++index;
    }
  }
  return out;
}

void LoadOptimizer(torch::optim::Optimizer& optimizer, const StateDict& state,
                   const std::string& what) {
  // Everything is read before anything is changed.
  std::set<std::string> used;
  std::vector<double> rates;
  std::vector<std::pair<void*, std::unique_ptr<ParamState>>> states;
  size_t index = 0;
  for (const auto& group : optimizer.param_groups()) {
    const std::string rate = fmt::format("group.{}.lr", rates.size());
    rates.push_back(RequireScalar<double>(state, rate, what));
    used.insert(rate);
    for (const auto& param : group.params()) {
      const std::string prefix = fmt::format("{}.", index++);
      // A parameter that never had a gradient has no state.
      const auto first = state.lower_bound(prefix);
      if (first == state.end() || !first->first.starts_with(prefix)) continue;
      StateReader reader(state, prefix, param, what, used);
      states.emplace_back(param.unsafeGetTensorImpl(), ReadParamState(group.options(), reader));
    }
  }
  for (const auto& [name, blob] : state) {
    if (!used.contains(name)) {
      ThrowUser("{}: '{}' does not belong to this optimiser ({} parameters in {} groups)", what,
                name, index, rates.size());
    }
  }
  optimizer.state().clear();
  for (auto& [key, value] : states) optimizer.state()[key] = std::move(value);
  for (size_t i = 0; i < rates.size(); ++i) optimizer.param_groups()[i].options().set_lr(rates[i]);
}

}  // namespace v2r
