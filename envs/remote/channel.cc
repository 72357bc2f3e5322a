#include "envs/remote/channel.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>

#include "core/error.h"

namespace v2r {
namespace {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using Code = boost::system::error_code;

constexpr size_t kMaxSocketPath = 107;  // sun_path less its end, Linux

// Small frames go out at once; a host that vanished is noticed.
void Tune(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

std::string Reason(const Code& code) {
  if (code == asio::error::eof || code == asio::error::connection_reset ||
      code == asio::error::broken_pipe) {
    return "closed the connection";
  }
  return "broke the connection: " + code.message();
}

Protocol::endpoint Resolve(asio::io_context& context, const WorkerAddress& address, Code& code) {
  if (address.IsUnix()) return asio::local::stream_protocol::endpoint(address.path);
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.host, address.port, code);
  if (code) return {};
  return found.begin()->endpoint();
}

}  // namespace

WorkerAddress ParseWorkerAddress(const std::string& text) {
  WorkerAddress address;
  address.text = text;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    if (address.path.empty() || address.path.size() > kMaxSocketPath) {
      ThrowUser("worker address '{}': the path of a unix socket has 1 to {} bytes", text,
                kMaxSocketPath);
    }
    return address;
  }
  if (text.starts_with("tcp://")) {
    const std::string rest = text.substr(6);
    const size_t colon = rest.rfind(':');
    if (colon != std::string::npos && colon > 0) {
      address.host = rest.substr(0, colon);
      address.port = rest.substr(colon + 1);
      if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
        address.host = address.host.substr(1, address.host.size() - 2);
      }
      const bool digits = address.port.find_first_not_of("0123456789") == std::string::npos;
      if (!address.port.empty() && address.port.size() <= 5 && digits &&
          std::stol(address.port) <= 65535) {
        return address;
      }
    }
  }
  ThrowUser("worker address '{}': should be unix:PATH or tcp://HOST:PORT", text);
}

struct Channel::Impl {
  asio::io_context context{1};
  Protocol::socket socket{context};

  // Starts an operation and runs until it has ended or the time is over.
  template <typename Start>
  void Within(double seconds, const char* silence, Start start) {
    if (!socket.is_open()) throw WireError("closed the connection");
    std::optional<Code> result;
    start([&](const Code& code, size_t) { result = code; });
    context.restart();
    if (seconds > 0) {
      context.run_for(std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::duration<double>(seconds)));
    } else {
      context.run();
    }
    const bool late = !result.has_value();
    if (!late && !*result) return;
    Close();
    if (late) throw WireError(fmt::format("{} for {:g} s", silence, seconds));
    throw WireError(Reason(*result));
  }

  void Close() {
    Code ignored;
    socket.close(ignored);
    context.restart();
    context.run();  // the handler of what was cancelled
  }
};

Channel::Channel(int fd) : impl_(std::make_unique<Impl>()) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  Code code;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0) {
    if (name.ss_family != AF_UNIX) Tune(fd);
    impl_->socket.assign(Protocol(name.ss_family, 0), fd, code);
  } else {
    code = Code(errno, boost::system::system_category());
  }
  if (code) ThrowUser("file descriptor {} is no connected socket: {}", fd, code.message());
}

Channel::~Channel() = default;

void Channel::Send(Tag tag, uint32_t sequence, std::span<const uint8_t> first,
                   std::span<const uint8_t> second, double seconds) {
  const size_t size = first.size() + second.size();
  V2R_CHECK(size <= kMaxPayload, "a frame of {} bytes", size);
  std::array<uint8_t, kHeadSize> head;
  WriteHead({tag, sequence, static_cast<uint32_t>(size), Crc32(second, Crc32(first))}, head);
  const std::array<asio::const_buffer, 3> parts = {asio::buffer(head),
                                                   asio::buffer(first.data(), first.size()),
                                                   asio::buffer(second.data(), second.size())};
  impl_->Within(seconds, "took nothing",
                [&](auto done) { asio::async_write(impl_->socket, parts, std::move(done)); });
}

FrameHead Channel::Receive(std::vector<uint8_t>& payload, double seconds, uint32_t limit) {
  std::array<uint8_t, kHeadSize> bytes;
  const auto read = [&](void* to, size_t size) {
    impl_->Within(seconds, "said nothing", [&](auto done) {
      asio::async_read(impl_->socket, asio::buffer(to, size), std::move(done));
    });
  };
  read(bytes.data(), bytes.size());
  const FrameHead head = ReadHead(bytes);
  if (head.size > limit) {
    throw WireError(
        fmt::format("sent a frame of {} bytes, more than the {} that are taken", head.size, limit));
  }
  payload.resize(head.size);
  if (head.size > 0) read(payload.data(), payload.size());
  if (Crc32(payload) != head.checksum) throw WireError("sent a damaged frame");
  return head;
}

void Channel::Finish(double seconds) {
  Code ignored;
  impl_->socket.shutdown(asio::socket_base::shutdown_send, ignored);
  std::array<uint8_t, 4096> rest;
  try {
    while (true) {
      impl_->Within(seconds, "said nothing", [&](auto done) {
        impl_->socket.async_read_some(asio::buffer(rest), std::move(done));
      });
    }
  } catch (const WireError&) {
  }
}

int ConnectWorker(const WorkerAddress& address, double seconds) {
  asio::io_context context(1);
  Code code;
  const Protocol::endpoint to = Resolve(context, address, code);
  if (code) throw WireError("cannot be reached: " + code.message());
  Protocol::socket socket(context);
  std::optional<Code> result;
  socket.async_connect(to, [&](const Code& ended) { result = ended; });
  context.run_for(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
  if (!result) {
    socket.close(code);
    context.restart();
    context.run();
    throw WireError(fmt::format("cannot be reached: no answer for {:g} s", seconds));
  }
  if (*result) throw WireError("cannot be reached: " + result->message());
  socket.native_non_blocking(false, code);
  const int fd = socket.release();
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

struct WorkerListener::Impl {
  asio::io_context context{1};
  asio::basic_socket_acceptor<Protocol> acceptor{context};
  WorkerAddress address;
  bool loopback = true;
  bool owns_file = false;
};

WorkerListener::WorkerListener(const WorkerAddress& address) : impl_(std::make_unique<Impl>()) {
  impl_->address = address;
  const auto demand = [&](const Code& code, const char* doing) {
    if (!code) return;
    if (code == asio::error::address_in_use) {
      ThrowUser("{}: is in use: another program listens there (choose another address, or stop it)",
                address.text);
    }
    ThrowUser("{}: cannot {}: {}", address.text, doing, code.message());
  };
  Code code;
  if (address.IsUnix() && std::filesystem::is_socket(address.path)) {
    try {
      ::close(ConnectWorker(address, 2));
      code = asio::error::address_in_use;
    } catch (const WireError&) {
      std::filesystem::remove(address.path);  // left by one that was killed
    }
    demand(code, "listen");
  }
  const Protocol::endpoint at = Resolve(impl_->context, address, code);
  demand(code, "find the host");
  impl_->acceptor.open(at.protocol(), code);
  demand(code, "open a socket");
  ::fcntl(impl_->acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  if (!address.IsUnix()) impl_->acceptor.set_option(asio::socket_base::reuse_address(true), code);
  impl_->acceptor.bind(at, code);
  demand(code, "bind");
  if (address.IsUnix()) {
    impl_->owns_file = true;
    ::chmod(address.path.c_str(), 0600);  // nobody can connect before listen
  } else {
    asio::ip::tcp::endpoint taken;
    const auto name = impl_->acceptor.local_endpoint(code);
    std::memcpy(taken.data(), name.data(), name.size());
    taken.resize(name.size());
    impl_->loopback = taken.address().is_loopback();
    impl_->address.port = std::to_string(taken.port());
    const bool six = address.host.find(':') != std::string::npos;
    impl_->address.text =
        fmt::format("tcp://{}{}{}:{}", six ? "[" : "", address.host, six ? "]" : "", taken.port());
  }
  impl_->acceptor.listen(asio::socket_base::max_listen_connections, code);
  demand(code, "listen");
}

WorkerListener::~WorkerListener() {
  std::error_code ignored;
  if (impl_->owns_file) std::filesystem::remove(impl_->address.path, ignored);
}

const WorkerAddress& WorkerListener::address() const { return impl_->address; }

bool WorkerListener::IsLoopback() const { return impl_->loopback; }

int WorkerListener::Accept(double seconds) {
  pollfd waiting{impl_->acceptor.native_handle(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(seconds * 1000)) <= 0) return -1;
  Protocol::socket socket(impl_->context);
  Code code;
  impl_->acceptor.accept(socket, code);
  if (code) return -1;
  const int fd = socket.release(code);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

// Not through the acceptor: its entry in the epoll set is shared with the parent.
void WorkerListener::CloseInChild() {
  impl_->owns_file = false;
  ::close(impl_->acceptor.native_handle());
}

}  // namespace v2r
