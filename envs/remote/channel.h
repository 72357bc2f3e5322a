// Frames over a stream socket with deadlines, and where workers listen. Boost.Asio lives in the
// .cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "envs/remote/wire.h"

namespace v2r {

// "unix:PATH" or "tcp://HOST:PORT" ("tcp://[::1]:7000").
struct WorkerAddress {
  std::string text;
  std::string path;        // of a unix socket, else empty
  std::string host, port;  // of tcp
  bool IsUnix() const { return !path.empty(); }
};
// UserError: neither of the two, no port, a path that is too long for a socket.
WorkerAddress ParseWorkerAddress(const std::string& text);

// One end of a connection. One thread uses it at a time; of no use after a WireError.
class Channel {
 public:
  explicit Channel(int fd);  // a connected stream socket, which it owns from now on
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // The payload is `first` and `second` one after the other. seconds: how long it may take, 0 = for
  // ever. WireError: the other side is gone or takes nothing.
  void Send(Tag tag, uint32_t sequence, std::span<const uint8_t> first,
            std::span<const uint8_t> second, double seconds);
  // WireError: the other side is gone, silent for `seconds` (0 = for ever), sent garbage or more
  // than `limit` bytes.
  FrameHead Receive(std::vector<uint8_t>& payload, double seconds, uint32_t limit = kMaxPayload);
  // Sends nothing more and waits until the other side is gone too, so that it can read what was
  // sent last.
  void Finish(double seconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A connected socket. WireError: nobody listens there within `seconds`.
int ConnectWorker(const WorkerAddress& address, double seconds);

class WorkerListener {
 public:
  // A unix socket is its owner's alone (mode 0600); a socket file that nobody listens on is
  // replaced. Port 0 takes a free one. UserError: in use, not allowed, no such host.
  explicit WorkerListener(const WorkerAddress& address);
  ~WorkerListener();  // removes the file of a unix socket
  WorkerListener(const WorkerListener&) = delete;
  WorkerListener& operator=(const WorkerListener&) = delete;

  const WorkerAddress& address() const;  // with the port that was taken
  bool IsLoopback() const;               // only this machine can reach it
  // A connected socket, or -1 when nobody came for `seconds`.
  int Accept(double seconds);
  // After fork(), in the child: closes its copy and leaves the parent's alone.
  void CloseInChild();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v2r
