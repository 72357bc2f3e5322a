#include "app/setup.h"

#include "app/demos.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "pretrain/trainer.h"

namespace v2r {
namespace {

// Demonstrations as the encoder will see them; an encoder file says the size itself.
ClipSet LoadDemos(const std::filesystem::path& folder, const EncoderSpec& spec) {
  DataOptions data;
  data.path = folder.string();
  data.frame_size = spec.input_size;
  data.resize = spec.resize;
  return LoadClips(data);
}

std::filesystem::path DemosFolder(const TrainOptions& options, const std::filesystem::path& run) {
  if (!options.demos.path.empty()) return options.demos.path;
  const std::filesystem::path folder = run / "demos";
  if (!std::filesystem::exists(folder / "manifest.json")) FilmDemos(options.env, options.demos, folder);
  return folder;
}

}  // namespace

bool RewardNeedsFrames(const RewardOptions& reward) { return reward.name != "true"; }

Assembly Assemble(const TrainOptions& options, const std::filesystem::path& run) {
  Assembly assembly;
  assembly.device = ResolveDevice(options.device);
  if (!RewardNeedsFrames(options.reward)) return assembly;
  EncoderSpec spec = options.encoder.spec;
  const bool pixels = options.reward.name == "pixel_l2";
  if (!options.encoder.path.empty()) {
    assembly.encoder_path = options.encoder.path;
    spec = LoadEncoder(assembly.encoder_path, torch::kCPU, "float32").spec();
  }
  assembly.demos_folder = DemosFolder(options, run);
  assembly.clips = LoadDemos(assembly.demos_folder, spec);
  if (pixels) {
    EncoderSpec pixel_spec;
    pixel_spec.arch = "pixels";
    pixel_spec.input_size = spec.input_size;
    Rng rng(0);
    assembly.encoder = std::make_shared<Encoder>(
        MakeEncoder(MakeEncoderNet(pixel_spec, rng), {}, assembly.device, "float32", {{"method", "pixels"}}));
  } else {
    if (assembly.encoder_path.empty()) {
      assembly.encoder_path = run / "encoder.safetensors";
      if (!std::filesystem::exists(assembly.encoder_path)) {
        Pretrain(options.pretrain, spec, assembly.clips, assembly.encoder_path, assembly.device);
      }
    }
    assembly.encoder =
        std::make_shared<Encoder>(LoadEncoder(assembly.encoder_path, assembly.device, options.reward.dtype));
  }
  assembly.demos = EmbedDemos(options.reward, assembly.encoder.get(), assembly.clips);
  return assembly;
}

std::unique_ptr<RewardModel> MakeCalibratedReward(const TrainOptions& options, const Assembly& assembly) {
  auto model = MakeRewardModel(options.reward, assembly.encoder, assembly.device);
  model->Calibrate(assembly.demos);
  return model;
}

std::unique_ptr<VectorEnv> MakeTrainingEnv(const TrainOptions& options, const Assembly& assembly,
                                           RewardModel** model) {
  EnvOptions env_options = options.env;
  env_options.render = RewardNeedsFrames(options.reward);
  auto env = MakeVectorEnv(env_options);
  if (model != nullptr) *model = nullptr;
  if (!RewardNeedsFrames(options.reward)) return env;
  auto reward = MakeCalibratedReward(options, assembly);
  if (model != nullptr) *model = reward.get();
  return MakeLearnedRewardEnv(std::move(env), assembly.encoder, std::move(reward), options.reward,
                              static_cast<uint64_t>(options.seed));
}

std::unique_ptr<VectorEnv> MakeEvaluationEnv(const TrainOptions& options) {
  EnvOptions env_options = options.env;
  env_options.render = false;
  return MakeVectorEnv(env_options);
}

}  // namespace v2r
