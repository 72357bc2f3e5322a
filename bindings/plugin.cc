#include "bindings/plugin.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/config.h"
#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "envs/make.h"
#include "media/clips.h"
#include "models/encoder.h"
#include "reward/make.h"
#include "reward/needs.h"

namespace v2r {
namespace {

struct PluginOptions {
  EnvOptions env;
  RewardOptions reward;
  std::string encoder;
  std::string goal;
  std::string device = "auto";

  template <typename V>
  void Fields(V& v) {
    v("env", env, "environment");
    v("reward", reward, "reward");
    v("encoder", encoder, "encoder file");
    v("goal", goal, "folder of demonstrations");
    v("device", device, "auto, cpu, cuda or cuda:N");
  }
};

PluginOptions Resolve(const std::string& env, const std::string& reward,
                      const ConfigNode& changes) {
  std::vector<std::filesystem::path> roots = {"configs", HomeDirectory() / "configs"};
  if (!std::filesystem::is_directory(roots[0])) roots.erase(roots.begin());
  std::vector<std::string> words = {"reward=" + reward};
  const bool is_id = env.find('/') != std::string::npos;
  if (!env.empty() && !is_id) words.push_back("env=" + env);
  const ConfigNode composed = ComposeConfig(roots, "train", words);
  ConfigNode tree = ConfigNode::Map({"configs"});
  for (const char* group : {"env", "reward"}) {
    const ConfigNode* node = composed.Find(group);
    V2R_CHECK(node != nullptr, "configs/train.yaml has no group '{}'", group);
    tree.Set(group, *node);
  }
  if (is_id) tree.SetPath("env.id", ConfigNode::Scalar(env, {"argument 'id'"}, /*quoted=*/true));
  if (tree.FindPath("reward.timing") == nullptr && reward != "true") {
    tree.SetPath("reward.timing", ConfigNode::Scalar("immediate", {"the Python plugin"}));
  }
  for (const auto& [key, value] : changes.entries()) tree.SetPath(key, value);
  PluginOptions options;
  Bind(tree, options);
  if (options.reward.name == "true") return options;

  if (options.reward.timing != "immediate") {
    ThrowUser("reward.timing={}: Python gets its rewards with the step; leave the key out",
              options.reward.timing);
  }
  CheckRewardOptions(options.reward);
  if (options.encoder.empty() && options.reward.name != "pixel_l2") {
    ThrowUser("reward '{}' needs an encoder: encoder=FILE, made by  v2r pretrain  or  v2r train",
              options.reward.name);
  }
  if (options.goal.empty()) {
    ThrowUser(
        "reward '{}' takes goal and scale from demonstrations: goal=FOLDER of videos, e.g. what  "
        "v2r demos  films",
        options.reward.name);
  }
  return options;
}

struct LearnedReward {
  std::shared_ptr<const Encoder> encoder;
  std::unique_ptr<RewardModel> model;  // calibrated
};

LearnedReward MakeLearnedReward(const PluginOptions& options) {
  const torch::Device device = ResolveDevice(options.device);
  LearnedReward made;
  made.encoder = MakeRewardEncoder(options.reward, options.encoder, device);
  DataOptions data;
  data.path = options.goal;
  data.frame_size = made.encoder->spec().input_size;
  data.resize = made.encoder->spec().resize;
  made.model = MakeRewardModel(options.reward, made.encoder, device);
  made.model->Calibrate(EmbedDemos(options.reward, made.encoder.get(), LoadClips(data)));
  return made;
}

}  // namespace

PluginEnv MakePluginEnv(const std::string& env, const std::string& reward,
                        const ConfigNode& changes) {
  PluginOptions options = Resolve(env, reward, changes);
  PluginEnv made;
  made.autoreset = options.env.autoreset;
  made.learned_reward = options.reward.name != "true";
  if (!made.learned_reward) {
    made.env = MakeVectorEnv(options.env);
    return made;
  }
  options.env.render = true;
  LearnedReward learned = MakeLearnedReward(options);
  // No online part: the seed of the reward is never drawn from.
  made.env = MakeLearnedRewardEnv(MakeVectorEnv(options.env), learned.encoder,
                                  std::move(learned.model), options.reward, /*seed=*/0);
  return made;
}

struct PictureReward::Parts {
  PluginOptions options;
  LearnedReward learned;
};

PictureReward::PictureReward(const std::string& reward, const ConfigNode& changes)
    : parts_(std::make_unique<Parts>()) {
  parts_->options = Resolve("", reward, changes);
  const RewardOptions& options = parts_->options.reward;
  if (options.name == "true") {
    ThrowUser("reward '{}' is the task's own and reads no picture", options.name);
  }
  if (options.goal.kind == "env") {
    ThrowUser("reward.goal.kind=env: the goal picture is the environment's; use make_vec");
  }
  parts_->learned = MakeLearnedReward(parts_->options);
  if (parts_->learned.model->Needs() != RewardNeeds::kFrame) {
    ThrowUser("reward '{}' of form '{}' reads two pictures a step; use make_vec", options.name,
              options.form);
  }
  if (!IsStateReward(options) || !parts_->learned.model->MoreEncoders().empty()) {
    ThrowUser("reward '{}' does not reward single pictures of one encoder; use make_vec",
              options.name);
  }
}

PictureReward::~PictureReward() = default;

void PictureReward::Compute(const uint8_t* frames, int64_t height, int64_t width,
                            std::span<float> rewards) const {
  const torch::NoGradGuard no_grad;
  const auto total = static_cast<int64_t>(rewards.size());
  const int64_t picture = height * width * 3;
  for (int64_t first = 0; first < total; first += parts_->options.reward.chunk_size) {
    const int64_t count = std::min(parts_->options.reward.chunk_size, total - first);
    const auto chunk = torch::from_blob(const_cast<uint8_t*>(frames + first * picture),
                                        {count, height, width, 3}, torch::kUInt8);
    RolloutFeatures features;
    features.next = parts_->learned.encoder->Embed(chunk).unsqueeze(0);  // [1,count,D]
    features.done = torch::zeros({1, count}, torch::kUInt8);
    features.episode_step = torch::ones({1, count}, torch::kLong);
    const auto values = parts_->learned.model->Compute(features, nullptr)
                            .to(torch::kCPU, torch::kFloat)
                            .contiguous();
    std::copy_n(values.data_ptr<float>(), count, rewards.begin() + first);
  }
}

const std::string& PictureReward::EncoderFingerprint() const {
  return parts_->learned.encoder->Fingerprint();
}

std::vector<std::string> PluginRewardNames() { return RewardNames(); }

}  // namespace v2r
