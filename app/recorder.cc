#include "app/recorder.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "media/draw.h"
#include "media/video.h"

namespace v2r {
namespace {

constexpr size_t kQueueFrames = 64;
constexpr int kPanel = 96;  // height of the curves under the picture
constexpr Color kBackground = {24, 26, 30}, kText = {230, 230, 230}, kTrue = {110, 190, 120},
                kLearned = {240, 170, 60};

// Encodes on its own thread behind a bounded queue; the first error surfaces at Push or Finish.
class EncoderThread {
 public:
  EncoderThread(const std::filesystem::path& path, double fps, int height, int width)
      : writer_(path, fps, height, width), thread_([this] { Loop(); }) {}
  ~EncoderThread() { Stop(); }

  void Push(Image frame) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return queue_.size() < kQueueFrames || error_; });
    if (error_) std::rethrow_exception(error_);
    queue_.push_back(std::move(frame));
    ready_.notify_one();
  }
  void Finish() {
    Stop();
    if (error_) std::rethrow_exception(error_);
    writer_.Close();
  }

 private:
  void Stop() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
    thread_.join();
  }
  void Loop() {
    while (true) {
      Image frame;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return !queue_.empty() || closed_; });
        if (queue_.empty()) return;
        frame = std::move(queue_.front());
        queue_.pop_front();
      }
      room_.notify_one();
      try {
        writer_.Write(frame.view());
      } catch (...) {
        std::lock_guard lock(mutex_);
        error_ = std::current_exception();
        room_.notify_one();
        return;
      }
    }
  }

  VideoWriter writer_;
  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::deque<Image> queue_;
  bool closed_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

struct Episode {
  std::vector<Image> frames;
  std::vector<float> truth, learned;
  bool success = false;
};

std::unique_ptr<VectorEnv> RecordingEnv(const TrainOptions& options, const Assembly& assembly,
                                        const RewardModel* trained, int64_t episodes) {
  EnvOptions env_options = options.env;
  env_options.render = true;
  env_options.render_every = 1;
  env_options.modalities.clear();
  env_options.frame_size = options.record.frame_size;
  if (env_options.detail_size == 0) env_options.detail_size = options.env.frame_size;
  env_options.num_envs = episodes;
  env_options.autoreset = "same_step";
  auto env = MakeVectorEnv(env_options);
  if (trained == nullptr) return env;
  RewardOptions reward_options = options.reward;
  reward_options.timing = "deferred";
  reward_options.classifier.steps = 0;  // a film teaches the reward nothing
  auto reward = MakeRewardModel(reward_options, assembly.encoder, assembly.device);
  reward->Calibrate(assembly.demos);
  StateDict state;
  trained->SaveState(state);
  reward->LoadState(state);
  return MakeLearnedRewardEnv(std::move(env), assembly.encoder, std::move(reward), reward_options,
                              0);
}

// The pictures of env i after the step, one camera beside the other.
Image BesideEachOther(const BatchView& batch, const VectorEnvSpec& spec, int64_t i) {
  const int height = static_cast<int>(spec.height), width = static_cast<int>(spec.width);
  const size_t picture = static_cast<size_t>(height) * width * 3;
  const size_t extra = spec.extra_cameras.size();
  Image all(height, width * static_cast<int>(1 + extra));
  Paste(all, {batch.next_frame.data() + i * picture, height, width}, 0, 0);
  for (size_t c = 0; c < extra; ++c) {
    const uint8_t* first = batch.next_extra_frames.data() + (c * spec.num_envs + i) * picture;
    Paste(all, {first, height, width}, static_cast<int>(1 + c) * width, 0);
  }
  return all;
}

std::vector<Episode> Play(VectorEnv& env, Agent& agent, uint64_t seed, bool learned) {
  const VectorEnvSpec& spec = env.Spec();
  const int64_t N = spec.num_envs;
  std::vector<Episode> episodes(N);
  std::vector<uint8_t> finished(N, 0);
  std::vector<float> actions(N * spec.act_dim);
  Rng rng(seed);
  BatchView batch = env.Reset(seed);
  int64_t steps = 0;
  for (; steps < spec.max_episode_steps; ++steps) {
    PollInterrupt();
    agent.Act(batch.obs, ActMode::kDeterministic, rng, actions, {}, {});
    batch = env.Step(actions);
    for (int64_t i = 0; i < N; ++i) {
      if (finished[i]) continue;
      episodes[i].frames.push_back(BesideEachOther(batch, spec, i));
      episodes[i].truth.push_back(batch.env_reward[i]);
      episodes[i].success = batch.success[i] != 0;
      finished[i] = batch.terminated[i] || batch.truncated[i];
    }
  }
  if (!learned) return episodes;
  std::vector<float> rewards(steps * N);
  Metrics ignored;
  env.FinishRollout(rewards, ignored);
  for (int64_t i = 0; i < N; ++i) {
    for (size_t t = 0; t < episodes[i].frames.size(); ++t)
      episodes[i].learned.push_back(rewards[t * N + i]);
  }
  return episodes;
}

std::pair<float, float> Range(const std::vector<Episode>& episodes,
                              std::vector<float> Episode::*values) {
  float low = std::numeric_limits<float>::infinity(), high = -low;
  for (const Episode& episode : episodes) {
    for (const float value : episode.*values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return {low, high};
}

Image Compose(const Episode& episode, size_t t, size_t number, std::pair<float, float> truth,
              std::pair<float, float> learned) {
  const Image& frame = episode.frames[t];
  Image out(frame.height + kPanel, frame.width);
  FillRect(out, 0, 0, out.width, out.height, kBackground);
  Paste(out, frame.view(), 0, 0);
  const int64_t total = static_cast<int64_t>(episode.frames.size());
  const int box_y = frame.height + 38, box_height = kPanel - 44;
  DrawText(out, fmt::format("episode {}  step {}", number + 1, t + 1), 6, frame.height + 14, 0.38,
           kText);
  DrawText(out, fmt::format("true {:.3f}", episode.truth[t]), 6, frame.height + 30, 0.38, kTrue);
  DrawCurve(out, std::span(episode.truth).first(t + 1), total, truth.first, truth.second, 4, box_y,
            out.width - 8, box_height, kTrue);
  if (!episode.learned.empty()) {
    DrawText(out, fmt::format("learned {:.3f}", episode.learned[t]), out.width / 2,
             frame.height + 30, 0.38, kLearned);
    DrawCurve(out, std::span(episode.learned).first(t + 1), total, learned.first, learned.second, 4,
              box_y, out.width - 8, box_height, kLearned);
  }
  return out;
}

}  // namespace

std::filesystem::path RecordVideo(const TrainOptions& options, const Assembly& assembly,
                                  const RewardModel* trained, Agent& agent, int64_t episodes,
                                  uint64_t seed, const std::filesystem::path& path) {
  const auto env = RecordingEnv(options, assembly, trained, episodes);
  const std::vector<Episode> played = Play(*env, agent, seed, trained != nullptr);
  MakeDirectories(path.parent_path());
  const auto truth = Range(played, &Episode::truth);
  const auto learned = Range(played, &Episode::learned);
  const int size = static_cast<int>(options.record.frame_size);
  const int width = size * static_cast<int>(1 + env->Spec().extra_cameras.size());
  EncoderThread encoder(path, 1.0 / env->Spec().control_dt, size + kPanel, width);
  nlohmann::ordered_json sidecar = {
      {"task", options.env.id}, {"seed", seed}, {"episodes", nlohmann::json::array()}};
  for (size_t i = 0; i < played.size(); ++i) {
    for (size_t t = 0; t < played[i].frames.size(); ++t)
      encoder.Push(Compose(played[i], t, i, truth, learned));
    double true_return = 0, learned_return = 0;
    for (const float value : played[i].truth) true_return += value;
    for (const float value : played[i].learned) learned_return += value;
    nlohmann::ordered_json entry = {{"steps", played[i].frames.size()},
                                    {"true_return", true_return},
                                    {"success", played[i].success},
                                    {"true_rewards", played[i].truth}};
    if (!played[i].learned.empty()) {
      entry["learned_return"] = learned_return;
      entry["learned_rewards"] = played[i].learned;
    }
    sidecar["episodes"].push_back(entry);
  }
  encoder.Finish();
  std::filesystem::path json = path;
  WriteFileAtomic(json.replace_extension(".json"), sidecar.dump(2) + "\n");
  return path;
}

}  // namespace v2r
