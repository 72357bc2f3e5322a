// The client's side of one worker: asks it, and when it is gone puts another one in its place that
// goes on from the same state.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "envs/mujoco_vector_env.h"
#include "envs/remote/batch_block.h"
#include "envs/remote/channel.h"
#include "envs/remote/worker.h"

namespace v2r {

struct WorkerProcess {
  int fd = -1;     // connected stream socket
  pid_t pid = -1;  // a child of this process, ended with the connection; -1 = not ours
  bool same_host = false;
};
// Starts or reaches a worker; `attempt` counts the failures before. WireError where none answers.
using WorkerSource = std::function<WorkerProcess(int attempt)>;

// Set in the environment of what SpawnWorker starts.
inline constexpr const char* kWorkerMark = "V2R_IS_WORKER";

// Starts `program` with `arguments` in a process group of its own (Ctrl-C does not reach it) and a
// socket as file descriptor 3. UserError when it cannot be started.
WorkerProcess SpawnWorker(const std::string& program, const std::vector<std::string>& arguments);

struct ShardPlan {
  std::string name;     // "worker process 0", "worker tcp://127.0.0.1:7000"
  std::string options;  // of the slice's environments, YAML
  EnvSlice slice;
  int64_t count = 0;  // environments of the slice
  std::string model_hash;
  WorkerIdentity identity;
  double timeout = 60;  // seconds a worker may be silent (at least 30 while it starts)
  int attempts = 3;     // failures one after the other until it is given up
  WorkerSource source;
};

class Shard {
 public:
  // Connects. UserError: refused, or nobody there.
  explicit Shard(ShardPlan plan);
  ~Shard();

  const ShardPlan& plan() const { return plan_; }
  const VectorEnvSpec& spec() const { return spec_; }
  const BatchLayout& layout() const { return layout_; }
  int64_t restarts() const { return restarts_; }

  // What a question is to the state of the environments.
  enum class Effect { kNone, kChanges, kReplaces };
  // Takes the payload of the next question; empty at first.
  ByteWriter Payload() { return ByteWriter(question_); }
  // Sends `question` with that payload. What goes wrong shows in Await.
  void Post(Tag question, Effect effect);
  // Waits for the answer, in answer(). Replaces a worker that is gone (a warning says which and
  // why): the questions since the last state are asked again. Throws what the environments threw
  // there; Error when no worker can be had.
  void Await(Tag expected);
  std::span<const uint8_t> answer() const { return answer_; }

  // After Await(kBatch): the rows, and whether they have a frame of their own.
  struct Rows {
    const uint8_t* block;
    bool with_frame;
  };
  Rows TakeRows();
  // After Await(kState): replacing a worker starts from here from now on.
  void Keep();
  // Seconds in environments and renderer, and MuJoCo's warnings, replaced workers included.
  struct Totals {
    double env = 0, render = 0, warnings = 0;
  };
  Totals totals() const;

 private:
  struct Link;
  struct Entry {
    Tag tag;
    std::vector<uint8_t> payload;
  };
  void Connect(int attempt);
  void Replace(std::string why);
  void Exchange(Tag tag, std::span<const uint8_t> payload, double seconds);
  void Receive(double seconds);
  bool Fits(Tag expected) const;  // the answer is of that tag and, rows, of the right size

  ShardPlan plan_;
  VectorEnvSpec spec_;
  BatchLayout layout_;
  std::unique_ptr<Link> link_;
  std::vector<Entry> journal_;  // what leads to the present state: kReset or kLoad first
  size_t kept_ = 0;             // entries of it that count; the others' memory is used again
  std::vector<uint8_t> question_, answer_;
  Tag asked_ = Tag::kDone, answered_ = Tag::kDone;
  Effect effect_ = Effect::kNone;
  std::string broken_;  // why the last Post failed
  uint32_t sequence_ = 0;
  int failures_ = 0;
  int64_t restarts_ = 0;
  Totals before_, now_, kept_totals_;
};

}  // namespace v2r
