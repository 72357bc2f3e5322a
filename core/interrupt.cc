#include "core/interrupt.h"

#include <atomic>
#include <csignal>

#include "core/error.h"

namespace v2r {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void OnInterrupt(int signal) {
  if (requested.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

void InstallInterruptHandler() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    V2R_CHECK_EQ(sigaction(signal, &action, nullptr), 0);
  }
}

bool InterruptRequested() { return requested.load(std::memory_order_relaxed); }

void PollInterrupt() {
  if (InterruptRequested()) throw Interrupted();
}

void RequestInterrupt(bool value) { requested.store(value); }

}  // namespace v2r
