// Assembly: from options to clips, encoder, calibrated reward and environments.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "app/options.h"
#include "media/clips.h"

namespace v2r {

// The parts a training run is made of. `encoder` may be null (reward=true).
struct Assembly {
  std::filesystem::path demos_folder;
  std::filesystem::path encoder_path;
  ClipSet clips;  // empty for reward=true
  std::shared_ptr<const Encoder> encoder;
  DemoFeatures demos;
  torch::Device device = torch::kCPU;
};

// Films or reads the demonstrations, pretrains or loads the encoder, embeds. What is made goes into
// `run` (demos/, encoder.safetensors).
Assembly Assemble(const TrainOptions& options, const std::filesystem::path& run);
// Demonstrations as an encoder of this spec sees them.
ClipSet LoadDemos(const std::filesystem::path& folder, const EncoderSpec& spec);
// What an encoder file says of its data: the folder's name (never a machine's path).
std::map<std::string, std::string> DataInfo(const std::filesystem::path& folder);
// True when the reward reads pictures.
bool RewardNeedsFrames(const RewardOptions& reward);
// A calibrated reward of this assembly.
std::unique_ptr<RewardModel> MakeCalibratedReward(const TrainOptions& options,
                                                  const Assembly& assembly);
// The training environment; `*model` gets the reward model inside it (owned by the env).
std::unique_ptr<VectorEnv> MakeTrainingEnv(const TrainOptions& options, const Assembly& assembly,
                                           RewardModel** model);
// Pictures off, no learned reward: for the true return and success only. No more environments than
// `episodes` are asked for: further ones would be stepped for nothing and change no result.
std::unique_ptr<VectorEnv> MakeEvaluationEnv(const TrainOptions& options, int64_t episodes);

}  // namespace v2r
