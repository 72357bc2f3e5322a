#include "envs/remote/worker.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/text.h"
#include "envs/env_wrappers.h"
#include "envs/mujoco_vector_env.h"
#include "envs/remote/batch_block.h"
#include "envs/remote/channel.h"
#include "envs/versions.h"

namespace v2r {
namespace {

constexpr uint32_t kGreetingLimit = 1 << 16;  // bytes, from somebody not yet known
constexpr double kHandshakeSeconds = 30;      // a client that connects and says nothing is dropped

// Does not tell by its duration how much was right.
bool SameText(const std::string& a, const std::string& b) {
  unsigned different = a.size() != b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    different |= static_cast<unsigned char>(a[i]) ^
                 static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  }
  return different == 0;
}

// One client's environments and the answers to its frames.
class Session {
 public:
  Session(int fd, const WorkerIdentity& identity) : channel_(fd), identity_(identity) {}

  void Serve() {
    if (!Greet()) return;
    while (true) {
      const FrameHead head = channel_.Receive(in_, env_ == nullptr ? kHandshakeSeconds : 0);
      body_ = {};
      Tag answer = Tag::kFailed;
      try {
        answer = Answer(head.tag);
      } catch (const WireError&) {
        throw;
      } catch (const std::exception& error) {
        ByteWriter out(out_);
        out.Put<uint8_t>(dynamic_cast<const UserError*>(&error) != nullptr);
        out.PutText(error.what());
        body_ = {};
      }
      channel_.Send(answer, head.sequence, out_, body_, 0);
      if (answer == Tag::kRefused) {
        Leave();
        return;
      }
    }
  }

 private:
  bool Greet() {
    FrameHead head;
    std::string why;
    try {
      head = channel_.Receive(in_, kHandshakeSeconds, kGreetingLimit);
    } catch (const WireError& error) {
      LogWarn("worker: a client {}", error.what());
      out_.clear();  // a client of another version finds this side's in the head
      channel_.Send(Tag::kRefused, 0, out_, {}, kHandshakeSeconds);
      return Leave();
    }
    ByteReader in(in_);
    ByteWriter out(out_);
    if (head.tag != Tag::kHello) {
      why = "the first frame is no greeting";
    } else {
      const std::string program = in.GetText(), mujoco = in.GetText(), token = in.GetText();
      if (!identity_.token.empty() && !SameText(identity_.token, token)) {
        why = token.empty() ? "a token is needed (V2R_WORKER_TOKEN or env.worker_token_file)"
                            : "the token is wrong (V2R_WORKER_TOKEN or env.worker_token_file)";
      } else if (program != identity_.program || mujoco != identity_.mujoco) {
        why = fmt::format("the worker is v2r {} with MuJoCo {}, the client v2r {} with MuJoCo {}",
                          identity_.program, identity_.mujoco, program, mujoco);
      }
    }
    if (!why.empty()) {
      out.PutText(why);
      LogWarn("worker: a client was refused: {}", why);
    }
    channel_.Send(why.empty() ? Tag::kDone : Tag::kRefused, head.sequence, out_, {},
                  kHandshakeSeconds);
    return why.empty() || Leave();
  }

  bool Leave() {
    channel_.Finish(1);
    return false;
  }

  // Writes the answer to in_ into out_ and body_.
  Tag Answer(Tag question) {
    ByteReader in(in_);
    ByteWriter out(out_);
    if (env_ == nullptr && question != Tag::kBuild) throw WireError("asked before it built");
    switch (question) {
      case Tag::kBuild:
        return Build(in, out);
      case Tag::kMap: {
        const std::string name = in.GetText();
        memory_ = SharedMemory::Open(name, layout_.size());
        out.Put<uint8_t>(memory_ != nullptr);
        return Tag::kDone;
      }
      case Tag::kReset:
        return Batch(env_->Reset(in.Get<uint64_t>()), out);
      case Tag::kStep:
        return Batch(env_->Step(in.GetAll<float>()), out);
      case Tag::kRestart:
        return Batch(env_->Restart(in.GetAll<uint8_t>()), out);
      case Tag::kEnter: {
        const auto i = in.Get<int64_t>();
        return Batch(env_->SetState(i, GetStart(in)), out);
      }
      case Tag::kExpert: {
        const auto skill = static_cast<ExpertSkill>(in.Get<uint8_t>());
        Rng rng = GetRng(in);
        std::vector<float> actions(env_->Spec().num_envs * env_->Spec().act_dim);
        env_->ExpertActions(skill, rng, actions);
        PutRng(out, rng);
        out.PutAll(std::span<const float>(actions));
        return Tag::kActions;
      }
      case Tag::kDistance: {
        std::vector<float> distance(env_->Spec().num_envs);
        env_->TrueDistance(distance);
        out.PutAll(std::span<const float>(distance));
        return Tag::kDistance;
      }
      case Tag::kSave: {
        StateDict state;
        env_->SaveState(state);
        PutState(out, state);
        return Tag::kState;
      }
      case Tag::kLoad:
        env_->LoadState(GetState(in));
        return Tag::kDone;
      default:
        throw WireError(fmt::format("asked an unknown question ({})", static_cast<int>(question)));
    }
  }

  Tag Build(ByteReader& in, ByteWriter& out) {
    EnvOptions options;
    Bind(ParseYaml(in.GetText(), "the client's options"), options, "env");
    EnvSlice slice;
    slice.first = in.Get<int64_t>();
    slice.total = in.Get<int64_t>();
    const std::string wanted = in.GetText(), own = ModelHash(options);
    if (wanted != own) {
      out.PutText(fmt::format(
          "the model of {} is another one there (hash {}, here {}): the files of the task differ",
          options.id, own, wanted));
      return Tag::kRefused;
    }
    env_ = std::make_unique<MujocoVectorEnv>(
        options, [&] { return WrapEnv(EnvRegistry().Make(options.id, options.task), options); },
        slice);
    layout_ = BatchLayout(env_->Spec(), env_->Spec().num_envs);
    PutSpec(out, env_->Spec());
    return Tag::kSpec;
  }

  Tag Batch(const BatchView& view, ByteWriter& out) {
    const bool with_frame = view.frame.data() != view.next_frame.data();
    const Metrics timings = env_->Timings();
    out.Put<uint8_t>(with_frame);
    for (const char* name : {"time/env", "time/render", "env/warnings"}) out.Put(timings.at(name));
    uint8_t* block = memory_ != nullptr ? memory_->data() : nullptr;
    if (block == nullptr) {
      rows_.resize(layout_.size());
      block = rows_.data();
      body_ = std::span(rows_).first(layout_.size(with_frame));
    }
    layout_.Write(view, with_frame, block);
    return Tag::kBatch;
  }

  Channel channel_;
  const WorkerIdentity& identity_;
  std::unique_ptr<MujocoVectorEnv> env_;
  BatchLayout layout_;
  std::unique_ptr<SharedMemory> memory_;  // null: rows travel through the socket
  std::vector<uint8_t> in_, out_, rows_;
  std::span<const uint8_t> body_;  // goes out after out_
};

// In a fork of the listening process. Never returns: what the parent would clean up is its own.
[[noreturn]] void ServeInChild(int fd, const WorkerIdentity& identity) {
  std::signal(SIGINT, SIG_IGN);  // the parent decides
  std::signal(SIGTERM, SIG_DFL);
  int code = 0;
  try {
    ServeWorker(fd, identity);
  } catch (const std::exception& error) {
    LogWarn("worker: {}", error.what());
    code = 1;
  }
  std::_Exit(code);
}

}  // namespace

WorkerIdentity OwnIdentity(std::string token) {
  return {V2R_VERSION, MujocoVersion(), std::move(token)};
}

std::string WorkerToken(const std::string& file) {
  if (file.empty()) {
    const char* token = std::getenv("V2R_WORKER_TOKEN");
    return token == nullptr ? "" : token;
  }
  struct stat info {};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    ThrowUser("token file {}: other users can read it (chmod 600 it, and change the token)", file);
  }
  const std::string token(Trim(ReadFile(file)));
  if (token.empty()) ThrowUser("token file {}: is empty", file);
  return token;
}

std::string ModelHash(const EnvOptions& options) {
  const ModelPtr model = LoadModel(EnvRegistry().Make(options.id, options.task)->Spec().model);
  std::vector<uint8_t> bytes(mj_sizeModel(model.get()));
  mj_saveModel(model.get(), nullptr, bytes.data(), static_cast<mjtSize>(bytes.size()));
  return HashHex(bytes);
}

void ServeWorker(int fd, const WorkerIdentity& identity) {
  try {
    Session(fd, identity).Serve();
  } catch (const WireError& error) {
    LogDebug("worker: the client {}", error.what());
  }
}

void RunWorker(const std::string& listen, const std::string& token_file) {
  const WorkerIdentity identity = OwnIdentity(WorkerToken(token_file));
  const WorkerAddress address = ParseWorkerAddress(listen);
  if (!address.IsUnix() && identity.token.empty()) {
    ThrowUser(
        "{}: a worker on tcp needs a token: every user of this machine can reach it (set "
        "V2R_WORKER_TOKEN, or --token-file)",
        listen);
  }
  WorkerListener listener(address);
  LogInfo("worker: listening on {}", listener.address().text);
  if (!listener.IsLoopback()) {
    LogWarn(
        "worker: {} can be reached from other machines; nothing is encrypted, the token "
        "included: use a network you trust, or an SSH tunnel to a loopback address",
        listener.address().text);
  }
  std::set<pid_t> children;
  while (!InterruptRequested()) {
    const int fd = listener.Accept(0.2);
    for (auto it = children.begin(); it != children.end();) {
      it = ::waitpid(*it, nullptr, WNOHANG) != 0 ? children.erase(it) : std::next(it);
    }
    if (fd < 0) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      listener.CloseInChild();
      ServeInChild(fd, identity);
    }
    ::close(fd);
    if (child < 0) {
      LogWarn("worker: no process for a client: {}", std::strerror(errno));
    } else {
      children.insert(child);
    }
  }
  for (const pid_t child : children) ::kill(child, SIGTERM);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
}

}  // namespace v2r
