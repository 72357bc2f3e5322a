// A worker: a process that steps and draws a slice of a vector env's environments for another one.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "core/config.h"
#include "envs/env.h"
#include "envs/make.h"

namespace v2r {

// What both sides of a handshake must agree on.
struct WorkerIdentity {
  std::string program;  // version of this program
  std::string mujoco;
  std::string token;  // shared secret; a worker without one takes every client that reaches it
};
WorkerIdentity OwnIdentity(std::string token = "");

// The shared token: the text of `file`, else the environment variable V2R_WORKER_TOKEN, else "".
// UserError: the file cannot be read, is empty or can be read by others.
std::string WorkerToken(const std::string& file);

// Hash of the compiled model of the task: what the environments step. UserError where it is
// missing.
std::string ModelHash(const EnvOptions& options);

// Serves one client over the connected socket `fd` (owned from now on) until it leaves, which is
// also how it ends where the client is refused. Other errors go to the client.
void ServeWorker(int fd, const WorkerIdentity& identity);

// Listens on `listen` and serves each client in a process of its own, a fork of this one, until a
// signal asks to stop (core/interrupt.h): to be called before this process has threads or a GL
// context. UserError: address in use, tcp without a token.
void RunWorker(const std::string& listen, const std::string& token_file);

}  // namespace v2r
