// What the tests of worker processes share: how to start one, and faults on the wire.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "envs/remote/remote_vector_env.h"
#include "tests/envs/drive.h"

namespace v2r {

// The helper program stands beside the tests.
inline std::string WorkerProgram() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "v2r_envs_worker")
      .string();
}

// Starts workers and remembers them.
struct Starter {
  std::vector<pid_t> pids;         // in the order of their start
  std::vector<std::string> words;  // more words for the next ones
  bool same_host = true;
  RemoteVectorEnv::Spawner Spawner() {
    return [this](int) {
      std::vector<std::string> arguments = {"worker", "--fd", "3"};
      arguments.insert(arguments.end(), words.begin(), words.end());
      WorkerProcess process = SpawnWorker(WorkerProgram(), arguments);
      process.same_host = same_host;
      pids.push_back(process.pid);
      return process;
    };
  }
};

inline EnvOptions WithWorkers(EnvOptions options, int64_t processes) {
  options.processes = processes;
  options.worker_sync = 5;
  return options;
}

// Carries bytes between two sockets and spoils one byte of what comes from `worker`.
class Spoiler {
 public:
  // `at`: which byte from the worker, counted from 0; negative spoils nothing.
  Spoiler(int client, int worker, int64_t at)
      : client_(client), worker_(worker), at_(at), thread_([this] { Carry(); }) {}
  ~Spoiler() {
    stop_ = true;
    thread_.join();
    Close();
  }
  int64_t carried() const { return carried_; }

 private:
  void Carry() {
    std::vector<uint8_t> bytes(1 << 16);
    while (!stop_) {
      pollfd both[2] = {{client_, POLLIN, 0}, {worker_, POLLIN, 0}};
      ::poll(both, 2, 20);
      for (int k = 0; k < 2; ++k) {
        if (!both[k].revents) continue;
        const ssize_t size = ::recv(both[k].fd, bytes.data(), bytes.size(), 0);
        if (size <= 0) return Close();
        if (k == 1) {
          if (at_ >= carried_ && at_ < carried_ + size) bytes[at_ - carried_] ^= 0x10;
          carried_ += size;
        }
        for (ssize_t sent = 0; sent < size;) {
          const ssize_t part = ::send(k == 0 ? worker_ : client_, bytes.data() + sent,
                                      static_cast<size_t>(size - sent), MSG_NOSIGNAL);
          if (part <= 0) return Close();
          sent += part;
        }
      }
    }
  }
  void Close() {
    for (int* fd : {&client_, &worker_}) {
      if (*fd >= 0) ::close(*fd);
      *fd = -1;
    }
  }

  int client_, worker_;
  const int64_t at_;
  std::atomic<int64_t> carried_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Everything a run shows: reset, steps, experts' actions, distances and the last state.
struct Story {
  std::vector<Seen> seen;
  std::vector<float> actions, distance;
  StateDict state;
};

// `before` is called with the number of each step that comes.
template <typename Before>
Story Tell(VectorEnv& env, int steps, Before before) {
  Story story;
  const VectorEnvSpec& spec = env.Spec();
  story.seen.push_back(Look(env.Reset(3)));
  Rng rng(4), expert(5);
  std::vector<float> distance(spec.num_envs);
  for (int t = 0; t < steps; ++t) {
    before(t);
    auto actions = RandomActions(spec, rng);
    if (IsOwn(spec.name) && t % 3 == 1) {
      env.ExpertActions(ExpertSkill::kRandom, expert, actions);
      story.actions.insert(story.actions.end(), actions.begin(), actions.end());
    }
    story.seen.push_back(Look(env.Step(actions)));
    env.TrueDistance(distance);
    story.distance.insert(story.distance.end(), distance.begin(), distance.end());
  }
  env.SaveState(story.state);
  return story;
}
inline Story Tell(VectorEnv& env, int steps) {
  return Tell(env, steps, [](int) {});
}

inline bool SameState(const StateDict& a, const StateDict& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.dtype == y.second.dtype &&
           x.second.shape == y.second.shape && x.second.bytes == y.second.bytes;
  });
}

inline bool SameStory(const Story& a, const Story& b) {
  const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() &&
           std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;  // NaN where unknown
  };
  return a.seen == b.seen && same(a.actions, b.actions) && same(a.distance, b.distance) &&
         SameState(a.state, b.state);
}

}  // namespace v2r
