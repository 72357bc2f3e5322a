#include "models/encoder.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "models/plan.h"
#include "models/preprocess.h"
#include "models/spec_json.h"

namespace v2r {
namespace {

// Rows a pass: large batches are cut so that activations stay in the cache. A batch that is no
// multiple of kGrain is filled up with repeated rows: the CPU library picks other algorithms for
// few rows, and a row's embedding must not depend on its company.
constexpr int64_t kGrain = 16;

int64_t ChunkRows(const EncoderSpec& spec, const torch::Device& device) {
  if (!device.is_cpu()) return 256;
  const int64_t pixels = spec.input_size * spec.input_size;
  return std::clamp<int64_t>(64 * 64 * 64 / pixels / kGrain * kGrain, kGrain, 128);
}

torch::Tensor HashInput(const torch::Tensor& tensor) {
  return tensor.detach().to(torch::kCPU).contiguous();
}

void AppendHashes(std::string& text, const std::string& prefix, const TensorDict& state) {
  for (const auto& [name, tensor] : state) {
    const auto cpu = HashInput(tensor);
    const std::span<const uint8_t> bytes(static_cast<const uint8_t*>(cpu.const_data_ptr()),
                                         cpu.nbytes());
    text += fmt::format("{}{} {} [{}] {}\n", prefix, name, torch::toString(cpu.scalar_type()),
                        fmt::join(cpu.sizes(), ","), HashHex(bytes));
  }
}

}  // namespace

std::string EncoderFingerprint(const EncoderNetImpl& net,
                               const std::map<std::string, Head>& heads) {
  std::string text = ToJsonText(net.spec()) + "\n";
  AppendHashes(text, "net.", ModuleState(net));
  for (const auto& [name, head] : heads)
    AppendHashes(text, "head." + name + ".", ModuleState(*head));
  return HashHex(std::string_view(text));
}

Encoder MakeEncoder(EncoderNet net, const std::map<std::string, Head>& heads,
                    const torch::Device& device, const std::string& dtype,
                    std::map<std::string, std::string> info) {
  if (dtype != "float32" && dtype != "bfloat16") {
    ThrowUser("encoder dtype '{}' is unknown (known: float32, bfloat16)", dtype);
  }
  const torch::NoGradGuard no_grad;
  Encoder encoder;
  encoder.spec_ = net->spec();
  encoder.embedding_dim_ = net->output_dim();
  encoder.device_ = device;
  encoder.info_ = std::move(info);
  encoder.fingerprint_ = EncoderFingerprint(*net, heads);
  const auto plan = std::make_shared<InferencePlan>(
      3 * net->spec().frame_stack, net->spec().input_size, device,
      dtype == "float32" ? torch::kFloat : torch::kBFloat16, ChunkRows(net->spec(), device));
  net->Trace(*plan);
  encoder.plan_ = plan;
  for (const auto& [name, head] : heads) {
    Rng unused(0);
    auto copy = std::make_shared<HeadImpl>(head->spec(), unused);
    LoadModuleState(*copy, ModuleState(*head), "head " + name);
    copy->to(device);
    copy->eval();
    for (auto& parameter : copy->parameters()) parameter.requires_grad_(false);
    encoder.heads_[name] = copy;
  }
  return encoder;
}

torch::Tensor Encoder::Embed(const torch::Tensor& frames) const {
  const torch::NoGradGuard no_grad;
  const auto stacked = WithStack(spec_, frames);
  const int64_t rows = stacked.size(0);
  auto result =
      torch::empty({rows, embedding_dim_}, torch::TensorOptions(torch::kFloat).device(device_));
  const int64_t chunk = ChunkRows(spec_, device_);
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const int64_t count = std::min(chunk, rows - begin);
    const auto part = stacked.slice(0, begin, begin + count).to(device_);
    auto x = PreprocessAs(spec_, part, plan_->dtype());
    if (count % kGrain != 0) {
      const int64_t missing = kGrain - count % kGrain;
      x = torch::cat({x, x.slice(0, 0, 1).expand({missing, -1, -1, -1})})
              .contiguous(torch::MemoryFormat::ChannelsLast);
    }
    result.slice(0, begin, begin + count).copy_(plan_->Run(x).slice(0, 0, count));
  }
  return result;
}

torch::Tensor Encoder::Distance(const torch::Tensor& a, const torch::Tensor& b) const {
  if (spec_.metric == "l2") return (a - b).norm(2, -1);
  const auto lengths = a.norm(2, -1) * b.norm(2, -1);
  return 1 - (a * b).sum(-1) / lengths.clamp_min(1e-12);
}

std::vector<std::string> Encoder::HeadNames() const {
  std::vector<std::string> names;
  for (const auto& [name, head] : heads_) names.push_back(name);
  return names;
}

torch::Tensor Encoder::ApplyHead(const std::string& name, const torch::Tensor& z) const {
  const torch::NoGradGuard no_grad;
  const auto it = heads_.find(name);
  if (it == heads_.end()) {
    const auto names = HeadNames();
    ThrowUser("the encoder has no head '{}'{} (it has: {})", name, DidYouMean(name, names),
              names.empty() ? "none" : Join(names, ", "));
  }
  return it->second->forward(z.to(device_, torch::kFloat));
}

}  // namespace v2r
