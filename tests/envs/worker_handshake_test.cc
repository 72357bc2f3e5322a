// Who may be a worker of whom, and workers that listen on an address.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "tests/envs/worker_drive.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TempFolder {
 public:
  TempFolder()
      : path_(fs::temp_directory_path() / fmt::format("v2r-worker-{}-{}", ::getpid(), count_++)) {
    fs::create_directories(path_);
  }
  ~TempFolder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  static inline int count_ = 0;
  fs::path path_;
};

// V2R_WORKER_TOKEN while it lives.
struct Token {
  explicit Token(const char* text) { ::setenv("V2R_WORKER_TOKEN", text, 1); }
  ~Token() { ::unsetenv("V2R_WORKER_TOKEN"); }
};

EnvOptions Brief(int64_t num_envs = 4) {
  EnvOptions options = Small("v2r/reach", num_envs);
  options.max_episode_steps = 7;
  options.worker_sync = 5;
  return options;
}

template <typename Body>
std::string UserErrorOf(Body body) {
  try {
    body();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no UserError";
}

std::string RefusalOf(const std::vector<std::string>& words) {
  Starter starter;
  starter.words = words;
  testing::internal::CaptureStdout();  // the worker's side says it too
  const std::string why =
      UserErrorOf([&] { RemoteVectorEnv(WithWorkers(Brief(), 1), starter.Spawner()); });
  testing::internal::GetCapturedStdout();
  return why;
}

TEST(Handshake, AnotherProgramVersionIsRefused) {
  EXPECT_THAT(RefusalOf({"--version", "9.9.9"}),
              AllOf(HasSubstr("worker process 0: refused"), HasSubstr("v2r 9.9.9"),
                    HasSubstr(OwnIdentity().program)));
}

TEST(Handshake, AnotherModelIsRefused) {
  const TempFolder home;
  fs::create_directories(home / "configs");
  fs::create_directories(home / "envs");
  fs::copy(OwnModel("reach.xml").parent_path(), home / "envs/assets");
  const std::string path = home / "";
  EXPECT_EQ(RefusalOf({"--home", path}), "no UserError") << "the same model elsewhere";
  std::string text = ReadFile(home / "envs/assets/arm.xml");
  const size_t at = text.find("damping=\"") + 9;
  text.insert(at, "1");
  std::ofstream(home / "envs/assets/arm.xml") << text;
  EXPECT_THAT(
      RefusalOf({"--home", path}),
      AllOf(HasSubstr("refused"), HasSubstr("model of v2r/reach"), HasSubstr(ModelHash(Brief()))));
}

TEST(Handshake, AWorkerOfAnotherProtocolIsNamed) {
  std::thread peer;
  const std::string why = UserErrorOf([&] {
    RemoteVectorEnv(WithWorkers(Brief(), 1), [&](int) {
      int ends[2];
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
      peer = std::thread([fd = ends[1]] {
        std::vector<uint8_t> bytes(1000);
        EXPECT_GT(::recv(fd, bytes.data(), bytes.size(), 0), 0);
        std::array<uint8_t, kHeadSize> head;
        WriteHead({Tag::kDone, 1, 0, 0}, head, kWireVersion + 1);
        EXPECT_EQ(::send(fd, head.data(), head.size(), 0), static_cast<ssize_t>(kHeadSize));
        ::close(fd);
      });
      return WorkerProcess{ends[0], -1, false};
    });
  });
  peer.join();
  EXPECT_THAT(why, AllOf(HasSubstr("worker process 0"), HasSubstr("of the worker protocol")));
}

TEST(Handshake, AClientOfAnotherProtocolIsToldTheWorkers) {
  const WorkerProcess worker = SpawnWorker(WorkerProgram(), {"worker", "--fd", "3"});
  std::array<uint8_t, kHeadSize> head;
  WriteHead({Tag::kHello, 1, 100, 0}, head, kWireVersion + 1);
  ASSERT_EQ(::send(worker.fd, head.data(), head.size(), 0), static_cast<ssize_t>(kHeadSize));
  {
    Channel channel(worker.fd);
    std::vector<uint8_t> payload;
    EXPECT_EQ(channel.Receive(payload, 20).tag, Tag::kRefused);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(worker.pid, &status, 0), worker.pid);
  EXPECT_EQ(status, 0);
}

// Serves every client of a listener on a thread of the test.
class Server {
 public:
  Server(const std::string& address, const std::string& token)
      : listener_(ParseWorkerAddress(address)), token_(token), thread_([this] { Accept(); }) {}
  ~Server() {
    stop_ = true;
    thread_.join();
    for (std::thread& client : clients_) client.join();
  }
  std::string address() const { return listener_.address().text; }

 private:
  void Accept() {
    while (!stop_) {
      const int fd = listener_.Accept(0.02);
      if (fd < 0) continue;
      clients_.emplace_back([this, fd] { ServeWorker(fd, OwnIdentity(token_)); });
    }
  }
  WorkerListener listener_;
  const std::string token_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> clients_;
  std::thread thread_;
};

TEST(Handshake, OnlyTheRightTokenIsTaken) {
  const TempFolder folder;
  Server server("tcp://127.0.0.1:0", "open sesame");
  EnvOptions options = Brief();
  options.workers = {server.address()};
  EXPECT_THAT(UserErrorOf([&] { MakeVectorEnv(options); }),
              AllOf(HasSubstr(server.address()), HasSubstr("refused: a token is needed")));
  {
    const Token token("open barley");
    EXPECT_THAT(UserErrorOf([&] { MakeVectorEnv(options); }),
                AllOf(HasSubstr("refused: the token is wrong"), Not(HasSubstr("sesame"))));
  }
  const auto alone = Roll(*MakeVectorEnv(Brief()), 1, 12);
  {
    const Token token("open sesame");
    EXPECT_TRUE(alone == Roll(*MakeVectorEnv(options), 1, 12));
  }
  const std::string file = folder / "token";
  std::ofstream(file) << "open sesame\n";
  options.worker_token_file = file;
  ::chmod(file.c_str(), 0644);
  EXPECT_THAT(UserErrorOf([&] { MakeVectorEnv(options); }), HasSubstr("other users can read it"));
  ::chmod(file.c_str(), 0600);
  EXPECT_TRUE(alone == Roll(*MakeVectorEnv(options), 1, 12));
  std::ofstream(file) << "\n";
  EXPECT_THAT(UserErrorOf([&] { MakeVectorEnv(options); }), HasSubstr("is empty"));
}

TEST(Addresses, WrongOnesAreNamed) {
  for (const char* text : {"", "localhost:7000", "tcp://localhost", "tcp://:7", "tcp://a:b",
                           "tcp://a:70000", "unix:", "http://a:7"}) {
    EXPECT_THAT(UserErrorOf([&] { ParseWorkerAddress(text); }),
                HasSubstr(fmt::format("worker address '{}'", text)));
  }
  EXPECT_EQ(ParseWorkerAddress("tcp://[::1]:7000").host, "::1");
  EXPECT_EQ(ParseWorkerAddress("unix:a/b").path, "a/b");
  EnvOptions options = Brief();
  options.workers = {"tcp://127.0.0.1:1"};
  EXPECT_THAT(UserErrorOf([&] { MakeVectorEnv(options); }),
              AllOf(HasSubstr("tcp://127.0.0.1:1"), HasSubstr("cannot be reached")));
}

TEST(Addresses, OneInUseIsRefusedAndALeftSocketIsReplaced) {
  const TempFolder folder;
  const WorkerListener tcp(ParseWorkerAddress("tcp://127.0.0.1:0"));
  EXPECT_TRUE(tcp.IsLoopback());
  EXPECT_THAT(UserErrorOf([&] { WorkerListener again(tcp.address()); }),
              AllOf(HasSubstr(tcp.address().text), HasSubstr("is in use")));
  const std::string path = folder / "worker";
  const WorkerAddress address = ParseWorkerAddress("unix:" + path);
  {
    const WorkerListener unix_one(address);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << "its owner's alone";
    EXPECT_THAT(UserErrorOf([&] { WorkerListener again(address); }), HasSubstr("is in use"));
    EXPECT_TRUE(fs::exists(path));
  }
  EXPECT_FALSE(fs::exists(path));
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::snprintf(name.sun_path, sizeof(name.sun_path), "%s", path.c_str());
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ::close(left);
  EXPECT_NO_THROW(WorkerListener again(address));
  std::ofstream(path) << "somebody's file";
  EXPECT_THAT(UserErrorOf([&] { WorkerListener again(address); }), HasSubstr("is in use"));
  EXPECT_EQ(ReadFile(path), "somebody's file");
}

TEST(Addresses, TcpWithoutATokenIsRefused) {
  EXPECT_THAT(UserErrorOf([] { RunWorker("tcp://127.0.0.1:0", ""); }),
              AllOf(HasSubstr("tcp://127.0.0.1:0"), HasSubstr("needs a token")));
}

// The helper as `v2r worker --listen`.
class Listening {
 public:
  explicit Listening(const std::string& address) {
    const WorkerProcess process = SpawnWorker(WorkerProgram(), {"worker", "--listen", address});
    ::close(process.fd);
    pid_ = process.pid;
    const Stopwatch watch;
    while (true) {
      try {
        ::close(ConnectWorker(ParseWorkerAddress(address), 1));
        return;
      } catch (const WireError&) {
        if (watch.Seconds() > 20) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }
  ~Listening() { End(SIGTERM); }
  int End(int signal) {
    int status = -1;
    if (pid_ > 0) {
      ::kill(pid_, signal);
      ::waitpid(pid_, &status, 0);
    }
    pid_ = -1;
    return status;
  }
  // The processes that serve its clients.
  std::vector<pid_t> Children() const {
    std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", pid_));
    std::vector<pid_t> pids;
    for (pid_t pid; list >> pid;) pids.push_back(pid);
    return pids;
  }

 private:
  pid_t pid_ = -1;
};

TEST(ListeningWorkers, ServeTheSameNumbersAndAreReplaced) {
  const TempFolder folder;
  const Token token("open sesame");
  std::string tcp;
  {
    const WorkerListener free(ParseWorkerAddress("tcp://127.0.0.1:0"));
    tcp = free.address().text;
  }
  const std::string path = "unix:" + (folder / "worker").string();
  Listening one(tcp), other(path);
  const Story alone = Tell(*MakeVectorEnv(Brief(5)), 17);
  EnvOptions options = Brief(5);
  options.workers = {tcp, path, tcp};
  {
    const auto env = MakeVectorEnv(options);
    EXPECT_TRUE(SameStory(alone, Tell(*env, 17)));
  }
  const auto env = MakeVectorEnv(options);
  testing::internal::CaptureStdout();
  const Story story = Tell(*env, 17, [&](int t) {
    if (t == 4) {
      const auto children = other.Children();
      ASSERT_GE(children.size(), 1u);
      for (const pid_t pid : children) ::kill(pid, SIGKILL);
    }
    if (t == 11) one.End(SIGTERM);  // with those that serve: `other` takes their environments
  });
  const std::string log = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(SameStory(alone, story));
  EXPECT_THAT(log, AllOf(HasSubstr("worker " + tcp + " (environments 0 to 0) closed"),
                         HasSubstr("worker " + path + " (environments 1 to 2) closed")));
  EXPECT_GE(env->Timings().at("env/worker_restarts"), 3);
  EXPECT_EQ(other.End(SIGTERM), 0);
  EXPECT_FALSE(fs::exists(folder / "worker"));
}

}  // namespace
}  // namespace v2r
