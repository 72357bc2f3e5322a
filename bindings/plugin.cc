#include "bindings/plugin.h"

#include <algorithm>
#include <utility>

#include "app/commands.h"
#include "app/setup.h"
#include "core/config.h"
#include "core/error.h"

namespace v2r {
namespace {

// Groups of TrainOptions that an environment or a reward reads.
bool IsRead(const std::string& key) {
  for (const char* group : {"env.", "reward."}) {
    if (key.rfind(group, 0) == 0) return true;
  }
  return key == "encoder.path" || key == "demos.path" || key == "device" || key == "seed";
}

TrainOptions Resolve(const std::string& env, const std::string& reward, const ConfigNode& changes) {
  std::vector<std::filesystem::path> roots;
  for (const std::string& root : ConfigRoots()) roots.emplace_back(root);
  std::vector<std::string> words = {"reward=" + reward};
  const bool is_id = env.find('/') != std::string::npos;
  if (!env.empty() && !is_id) words.push_back("env=" + env);
  ConfigNode tree = ComposeConfig(roots, "train", words);
  if (is_id) tree.SetPath("env.id", ConfigNode::Scalar(env, {"argument 'id'"}, /*quoted=*/true));
  if (tree.FindPath("reward.timing") == nullptr) {
    tree.SetPath("reward.timing", ConfigNode::Scalar("immediate", {"the Python plugin"}));
  }
  for (const auto& [key, value] : changes.entries()) {
    if (!IsRead(key)) {
      ThrowUser("'{}': an environment here reads the keys env.*, reward.*, device and seed", key);
    }
    tree.SetPath(key, value);
  }
  TrainOptions options;
  Bind(tree, options);
  if (RewardNeedsFrames(options.reward)) {
    if (options.reward.timing != "immediate") {
      ThrowUser("reward.timing={}: Python gets its rewards with the step; leave the key out",
                options.reward.timing);
    }
    CheckRewardOptions(options.reward);
    if (options.encoder.path.empty() && options.reward.name != "pixel_l2") {
      ThrowUser("reward '{}' needs an encoder: encoder=FILE, made by  v2r pretrain  or  v2r train",
                options.reward.name);
    }
    if (options.demos.path.empty()) {
      ThrowUser(
          "reward '{}' takes goal and scale from demonstrations: goal=FOLDER of videos, e.g. what  "
          "v2r demos  films",
          options.reward.name);
    }
  }
  return options;
}

}  // namespace

PluginEnv MakePluginEnv(const std::string& env, const std::string& reward,
                        const ConfigNode& changes) {
  const TrainOptions options = Resolve(env, reward, changes);
  PluginEnv made;
  made.autoreset = options.env.autoreset;
  made.learned_reward = RewardNeedsFrames(options.reward);
  if (made.learned_reward) {
    const Assembly assembly = Assemble(options, /*run=*/{});
    made.env = MakeTrainingEnv(options, assembly, nullptr);
  } else {
    made.env = MakeVectorEnv(options.env);
  }
  return made;
}

struct PictureReward::Parts {
  TrainOptions options;
  Assembly assembly;
  std::unique_ptr<RewardModel> model;
  std::string fingerprint;
};

PictureReward::PictureReward(const std::string& reward, const ConfigNode& changes)
    : parts_(std::make_unique<Parts>()) {
  parts_->options = Resolve("", reward, changes);
  const RewardOptions& options = parts_->options.reward;
  if (!RewardNeedsFrames(options)) {
    ThrowUser("reward '{}' is the task's own and reads no picture", options.name);
  }
  if (options.goal.kind == "env") {
    ThrowUser("reward.goal.kind=env: the goal picture is the environment's; use make_vec");
  }
  parts_->assembly = Assemble(parts_->options, /*run=*/{});
  parts_->model = MakeCalibratedReward(parts_->options, parts_->assembly);
  if (parts_->model->Needs() != RewardNeeds::kFrame) {
    ThrowUser("reward '{}' of form '{}' reads two pictures a step; use make_vec", options.name,
              options.form);
  }
  const Encoder* encoder = parts_->assembly.encoder.get();
  if (encoder != nullptr) parts_->fingerprint = encoder->Fingerprint();
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
    features.next = parts_->assembly.encoder->Embed(chunk).unsqueeze(0);  // [1,count,D]
    features.done = torch::zeros({1, count}, torch::kUInt8);
    features.episode_step = torch::ones({1, count}, torch::kLong);
    const auto values =
        parts_->model->Compute(features, nullptr).to(torch::kCPU, torch::kFloat).contiguous();
    std::copy_n(values.data_ptr<float>(), count, rewards.begin() + first);
  }
}

const std::string& PictureReward::EncoderFingerprint() const { return parts_->fingerprint; }

std::vector<std::string> PluginRewardNames() { return RewardNames(); }

}  // namespace v2r
