#include "app/setup.h"

#include <algorithm>

#include "app/demos.h"
#include "app/run_directory.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "pretrain/trainer.h"
#include "reward/needs.h"

namespace v2r {
namespace {

std::filesystem::path DemosFolder(const TrainOptions& options, const std::filesystem::path& run) {
  if (!options.demos.path.empty()) return options.demos.path;
  const std::filesystem::path folder = run / "demos";
  if (!std::filesystem::exists(folder / "manifest.json"))
    FilmDemos(options.env, options.demos, folder);
  return folder;
}

}  // namespace

ClipSet LoadDemos(const std::filesystem::path& folder, const EncoderSpec& spec) {
  DataOptions data;
  data.path = folder.string();
  data.frame_size = spec.input_size;
  data.resize = spec.resize;
  return LoadClips(data);
}

std::map<std::string, std::string> DataInfo(const std::filesystem::path& folder) {
  std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return {{"data", path.filename().string()}};
}

bool RewardNeedsFrames(const RewardOptions& reward) { return reward.name != "true"; }

Assembly Assemble(const TrainOptions& options, const std::filesystem::path& run) {
  Assembly assembly;
  assembly.device = ResolveDevice(options.device);
  CheckRewardOptions(options.reward);  // before anything is filmed or trained
  if (!RewardNeedsFrames(options.reward)) return assembly;
  RequireEveryPicture(options.reward, options.env.render_every);
  const bool pixels = TreeHas(options.reward, "pixel_l2");
  assembly.encoder_path = options.encoder.path;
  if (pixels || !assembly.encoder_path.empty()) {
    assembly.encoder = MakeRewardEncoder(options.reward, assembly.encoder_path, assembly.device);
  }
  const EncoderSpec spec = assembly.encoder ? assembly.encoder->spec() : options.encoder.spec;
  assembly.demos_folder = DemosFolder(options, run);
  assembly.clips = LoadDemos(assembly.demos_folder, spec);
  if (assembly.encoder == nullptr) {
    assembly.encoder_path = run / "encoder.safetensors";
    if (!std::filesystem::exists(assembly.encoder_path)) {
      const auto metrics = OpenMetrics(run / "pretrain", false, -1);
      Pretrain(options.pretrain, spec, assembly.clips, assembly.encoder_path, assembly.device,
               {[&](int64_t step, const Metrics& row) { metrics->Write(step, row); }},
               DataInfo(assembly.demos_folder));
      metrics->Flush();
    }
    assembly.encoder = MakeRewardEncoder(options.reward, assembly.encoder_path, assembly.device);
  }
  assembly.demos = EmbedDemos(options.reward, assembly.encoder.get(), assembly.clips);
  return assembly;
}

std::unique_ptr<RewardModel> MakeCalibratedReward(const TrainOptions& options,
                                                  const Assembly& assembly) {
  auto model = MakeRewardModel(options.reward, assembly.encoder, assembly.device);
  model->Calibrate(assembly.demos);
  return model;
}

std::unique_ptr<VectorEnv> MakeTrainingEnv(const TrainOptions& options, const Assembly& assembly,
                                           RewardModel** model) {
  EnvOptions env_options = MainPictures(options.env);
  env_options.render = RewardNeedsFrames(options.reward);
  auto env = MakeVectorEnv(env_options);
  if (model != nullptr) *model = nullptr;
  if (!RewardNeedsFrames(options.reward)) return env;
  auto reward = MakeCalibratedReward(options, assembly);
  if (model != nullptr) *model = reward.get();
  return MakeLearnedRewardEnv(std::move(env), assembly.encoder, std::move(reward), options.reward,
                              static_cast<uint64_t>(options.seed));
}

std::unique_ptr<VectorEnv> MakeEvaluationEnv(const TrainOptions& options, int64_t episodes) {
  EnvOptions env_options = options.env;
  env_options.render = false;
  env_options.num_envs = std::min(env_options.num_envs, episodes);
  return MakeVectorEnv(env_options);
}

}  // namespace v2r
