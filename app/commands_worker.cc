// v2r worker: environments for runs of other processes.
#include "app/commands.h"
#include "core/error.h"
#include "envs/remote/worker.h"

namespace v2r {

int WorkerCommand(const std::string& listen, int fd, const std::string& token_file) {
  if (fd >= 0) {
    // Started by the client, which made the socket: there is nobody else to ask for a token.
    ServeWorker(fd, OwnIdentity());
    return 0;
  }
  if (listen.empty()) ThrowUser("v2r worker: --listen unix:PATH or --listen tcp://127.0.0.1:PORT");
  RunWorker(listen, token_file);
  return 0;
}

}  // namespace v2r
