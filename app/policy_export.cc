#include "app/policy_export.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "app/run_directory.h"
#include "app/setup.h"
#include "app/train.h"
#include "core/error.h"
#include "core/files.h"
#include "core/safetensors.h"

namespace v2r {
namespace {

constexpr char kFormat[] = "v2r.policy.1";

Blob Ones(int64_t size) {
  return Blob::Of<float>(std::vector<float>(static_cast<size_t>(size), 1.0f));
}

// The first `rows` rows of a weight or a bias: a state-dependent deviation stands below the mean.
Blob FirstRows(Blob blob, int64_t rows) {
  const int64_t width = blob.shape.size() > 1 ? blob.shape[1] : 1;
  blob.shape[0] = rows;
  blob.bytes.resize(static_cast<size_t>(rows * width) * sizeof(float));
  return blob;
}

}  // namespace

void ExportPolicy(const std::filesystem::path& from, const std::filesystem::path& out) {
  const bool is_run = std::filesystem::exists(from / "config.yaml");
  const auto folder = std::filesystem::absolute(from).lexically_normal();
  const std::filesystem::path run = is_run ? from : folder.parent_path().parent_path();
  const TrainOptions options = LoadRunOptions(run);
  const StateDict agent =
      Under(LoadCheckpoint(run, is_run ? "last" : folder.filename().string()), "agent");
  const PpoOptions& ppo = options.agent.ppo;
  const StateDict network = Under(agent, "network");
  const VectorEnvSpec spec = MakeEvaluationEnv(options, 1)->Spec();

  StateDict tensors;
  int64_t layers = 0;
  for (const std::string part : {"trunk", "actor_mean"}) {
    for (int64_t l = 0;; l += 2) {
      const std::string layer = fmt::format("{}.{}", part, l);
      const auto weight = network.find(layer + ".weight");
      if (weight == network.end()) break;
      tensors[fmt::format("layers.{}.weight", layers)] = weight->second;
      tensors[fmt::format("layers.{}.bias", layers)] =
          Require(network, layer + ".bias", "checkpoint");
      ++layers;
    }
  }
  if (layers == 0) ThrowUser("{}: the checkpoint has no policy network", from.string());
  for (const char* kind : {"weight", "bias"}) {
    Blob& last = tensors[fmt::format("layers.{}.{}", layers - 1, kind)];
    last = FirstRows(std::move(last), spec.act_dim);
  }
  const int64_t obs_dim = tensors.at("layers.0.weight").shape[1];
  std::vector<float> mean(static_cast<size_t>(obs_dim), 0.0f);
  tensors["obs_scale"] = Ones(obs_dim);
  if (ppo.norm_obs) {
    const StateDict acting = Under(Under(agent, "obs_normalizer"), "acting");
    const auto means = Require(acting, "mean", "checkpoint").as<double>();
    std::vector<float> scale;
    for (const double var : Require(acting, "var", "checkpoint").as<double>())
      scale.push_back(static_cast<float>(1.0 / std::sqrt(var + 1e-8)));
    mean.assign(means.begin(), means.end());
    tensors["obs_scale"] = Blob::Of<float>(scale);
  }
  tensors["obs_mean"] = Blob::Of<float>(mean);
  tensors["action_low"] = Blob::Of<float>(spec.act_low);
  tensors["action_high"] = Blob::Of<float>(spec.act_high);
  if (const auto log_std = network.find("actor_logstd"); log_std != network.end()) {
    tensors["log_std"] = log_std->second;
    tensors["log_std"].shape = {spec.act_dim};
  }
  WriteSafetensors(out, tensors, {{"format", kFormat}});

  const nlohmann::ordered_json json = {
      {"format", kFormat},
      {"task", options.env.id},
      {"weights", out.filename().string()},
      {"obs_dim", obs_dim},
      {"act_dim", spec.act_dim},
      {"layers", layers},
      {"activation", ppo.activation},
      {"clip_obs", ppo.norm_obs ? ppo.clip_obs : 0.0},
      {"squash", ppo.squash},
      {"action",
       "clip((obs - obs_mean) * obs_scale, clip_obs), the layers with the activation "
       "between them, then tanh and the bounds if squash"}};
  std::filesystem::path beside = out;
  WriteFileAtomic(beside.replace_extension(".json"), json.dump(2) + "\n");
}

}  // namespace v2r
