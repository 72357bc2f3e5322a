#include "envs/remote/shard.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

extern char** environ;

namespace v2r {
namespace {

constexpr int kWorkerFd = 3;
constexpr double kStartSeconds = 30;  // a worker may take to build its environments
constexpr const char* kOther = "sent another answer than was asked for";
constexpr size_t kBatchHead = 1 + 3 * sizeof(double);

// Waits for the child to end; its status, or -1 when it has not within `seconds`.
int WaitFor(pid_t pid, double seconds) {
  const Stopwatch watch;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return 0;  // somebody else has waited for it
    if (watch.Seconds() > seconds) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

WorkerProcess SpawnWorker(const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    ThrowUser("no socket: {}", std::strerror(errno));
  }
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  std::string mark = std::string(kWorkerMark) + "=1";
  variables.push_back(mark.data());
  variables.push_back(nullptr);
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kWorkerFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kWorkerFd + 1);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  WorkerProcess process{ends[0], -1, true};
  const int error = ::posix_spawn(&process.pid, program.c_str(), &actions, &attributes,
                                  words.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    ThrowUser("{} cannot be started: {}", program, std::strerror(error));
  }
  return process;
}

// One live connection, with the process at its other end where that is ours.
struct Shard::Link {
  explicit Link(const WorkerProcess& process)
      : channel(std::make_unique<Channel>(process.fd)), pid(process.pid) {}
  ~Link() {
    channel.reset();  // a worker ends when its client is gone
    if (pid <= 0) return;
    if (WaitFor(pid, healthy ? 2 : 0) >= 0) return;
    ::kill(pid, SIGKILL);
    WaitFor(pid, 5);
  }

  // `why` and what became of the process.
  std::string Describe(const std::string& why) {
    healthy = false;
    if (pid <= 0) return why;
    const std::string who = fmt::format("{} (process {}", why, pid);
    const int status = WaitFor(pid, 0.2);
    if (status < 0) return who + ", still running: it is killed)";
    pid = -1;
    if (WIFSIGNALED(status)) {
      return who + fmt::format(" was killed by signal {}, {})", WTERMSIG(status),
                               ::strsignal(WTERMSIG(status)));
    }
    return who + fmt::format(" ended with code {})", WEXITSTATUS(status));
  }

  std::unique_ptr<Channel> channel;
  pid_t pid;
  std::unique_ptr<SharedMemory> memory;
  bool healthy = true;
};

Shard::Shard(ShardPlan plan) : plan_(std::move(plan)) {
  try {
    Connect(0);
  } catch (const WireError& error) {
    ThrowUser("{}: {}", plan_.name, link_ ? link_->Describe(error.what()) : error.what());
  } catch (const UserError& error) {
    ThrowUser("{}: {}", plan_.name, error.what());
  }
}

Shard::~Shard() = default;

void Shard::Connect(int attempt) {
  const WorkerProcess process = plan_.source(attempt);
  link_ = std::make_unique<Link>(process);
  std::vector<uint8_t> payload;
  const auto ask = [&](Tag tag, Tag expected) {
    Exchange(tag, payload, std::max(plan_.timeout, kStartSeconds));
    if (answered_ == expected) return;
    ByteReader in(answer_);
    if (answered_ == Tag::kFailed) in.Get<uint8_t>();
    if (answered_ == Tag::kRefused || answered_ == Tag::kFailed) {
      ThrowUser("refused: {}", in.GetText());
    }
    throw WireError(kOther);
  };
  {
    ByteWriter out(payload);
    for (const auto* text :
         {&plan_.identity.program, &plan_.identity.mujoco, &plan_.identity.token}) {
      out.PutText(*text);
    }
    ask(Tag::kHello, Tag::kDone);
  }
  ByteWriter out(payload);
  out.PutText(plan_.options);
  out.Put(plan_.slice.first);
  out.Put(plan_.slice.total);
  out.PutText(plan_.model_hash);
  ask(Tag::kBuild, Tag::kSpec);
  ByteReader in(answer_);
  spec_ = GetSpec(in);
  in.ExpectEnd();
  if (spec_.num_envs != plan_.count) throw WireError("built another number of environments");
  layout_ = BatchLayout(spec_, spec_.num_envs);
  if (!process.same_host) return;
  link_->memory = SharedMemory::Create(layout_.size());
  ByteWriter map(payload);
  map.PutText(link_->memory->name());
  ask(Tag::kMap, Tag::kDone);
  link_->memory->Unlink();
  if (ByteReader(answer_).Get<uint8_t>() == 0) {
    LogWarn(
        "{}: sees no memory of this process (another container or user?): pictures travel "
        "through the socket, which is slower",
        plan_.name);
    link_->memory.reset();
  }
}

void Shard::Exchange(Tag tag, std::span<const uint8_t> payload, double seconds) {
  link_->channel->Send(tag, ++sequence_, payload, {}, seconds);
  Receive(seconds);
}

void Shard::Receive(double seconds) {
  const FrameHead head = link_->channel->Receive(answer_, seconds);
  // A refusal may come before the question was understood.
  if (head.sequence != sequence_ && head.tag != Tag::kRefused) {
    throw WireError("answered another question");
  }
  answered_ = head.tag;
}

bool Shard::Fits(Tag expected) const {
  if (answered_ != expected) return false;
  if (expected != Tag::kBatch) return true;
  if (answer_.size() < kBatchHead) return false;
  const size_t rows = link_->memory != nullptr ? 0 : layout_.size(answer_[0] != 0);
  return answer_.size() == kBatchHead + rows;
}

void Shard::Post(Tag question, Effect effect) {
  asked_ = question;
  effect_ = effect;
  if (effect == Effect::kReplaces) {
    kept_ = 0;
    kept_totals_ = totals();
  }
  if (effect != Effect::kNone) {
    if (kept_ == journal_.size()) journal_.emplace_back();
    journal_[kept_].tag = question;
    journal_[kept_].payload.assign(question_.begin(), question_.end());
    ++kept_;
  }
  broken_.clear();
  try {
    if (link_ == nullptr) throw WireError("is gone");
    link_->channel->Send(question, ++sequence_, question_, {}, plan_.timeout);
  } catch (const WireError& error) {
    broken_ = error.what();
  }
}

void Shard::Await(Tag expected) {
  while (true) {
    try {
      if (!broken_.empty()) throw WireError(broken_);
      Receive(plan_.timeout);
      if (!Fits(expected) && answered_ != Tag::kFailed) throw WireError(kOther);
    } catch (const WireError& error) {
      Replace(link_ != nullptr ? link_->Describe(error.what()) : error.what());
      if (effect_ == Effect::kNone) {
        Post(asked_, effect_);
        continue;
      }
      broken_.clear();
    }
    if (Fits(expected)) {
      failures_ = 0;
      return;
    }
    if (answered_ == Tag::kFailed) break;
    broken_ = kOther;
  }
  failures_ = 0;
  if (effect_ != Effect::kNone) --kept_;  // it had no effect that could be had again
  ByteReader in(answer_);
  const bool user = in.Get<uint8_t>() != 0;
  const std::string text = in.GetText();
  if (user) throw UserError(text);
  throw Error(fmt::format("{}: {}", plan_.name, text));
}

void Shard::Replace(std::string why) {
  while (true) {
    const std::string what =
        fmt::format("{} (environments {} to {}) {}", plan_.name, plan_.slice.first,
                    plan_.slice.first + plan_.count - 1, why);
    if (++failures_ > plan_.attempts) {
      link_.reset();
      throw Error(fmt::format("{}; given up after {} replacements", what, plan_.attempts));
    }
    LogWarn("{}; another one takes over from the last state kept and repeats {} questions", what,
            kept_);
    link_.reset();
    // Whoever looks after the workers may be starting one.
    std::this_thread::sleep_for(std::chrono::milliseconds(250 * (failures_ - 1)));
    const VectorEnvSpec before = spec_;
    try {
      Connect(failures_ - 1);
      if (spec_.obs_dim != before.obs_dim || spec_.act_low != before.act_low ||
          spec_.act_high != before.act_high || spec_.height != before.height ||
          spec_.info_dim != before.info_dim || spec_.extra_cameras != before.extra_cameras ||
          spec_.has_depth != before.has_depth ||
          spec_.has_segmentation != before.has_segmentation) {
        throw WireError("built other environments than the worker before");
      }
      before_ = kept_totals_;
      now_ = {};
      for (size_t k = 0; k < kept_; ++k) {
        Exchange(journal_[k].tag, journal_[k].payload, plan_.timeout);
        if (answered_ == Tag::kFailed && k + 1 < kept_) {
          throw WireError("failed where the worker before did not");
        }
      }
      ++restarts_;
      return;
    } catch (const WireError& error) {
      why = link_ != nullptr ? link_->Describe(error.what()) : error.what();
    } catch (const UserError& error) {
      why = error.what();
    }
  }
}

Shard::Rows Shard::TakeRows() {
  ByteReader in(answer_);
  const bool with_frame = in.Get<uint8_t>() != 0;
  for (double* total : {&now_.env, &now_.render, &now_.warnings}) *total = in.Get<double>();
  if (link_->memory != nullptr) return {link_->memory->data(), with_frame};
  return {answer_.data() + kBatchHead, with_frame};
}

void Shard::Keep() {
  if (journal_.empty()) journal_.emplace_back();
  journal_[0].tag = Tag::kLoad;
  journal_[0].payload.assign(answer_.begin(), answer_.end());
  kept_ = 1;
  kept_totals_ = totals();
}

Shard::Totals Shard::totals() const {
  return {before_.env + now_.env, before_.render + now_.render, before_.warnings + now_.warnings};
}

}  // namespace v2r
