#include "envs/worker_pool.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "core/clock.h"
#include "core/error.h"

namespace v2r {
namespace {

// How long a thread looks for the next job before it sleeps. Waking a sleeping thread takes as long
// as drawing a few small pictures, and between two steps of an environment hardly longer passes.
constexpr double kLookSeconds = 300e-6;

}  // namespace

// Outlives the pool while a thread hangs in a driver.
struct WorkerPool::Shared {
  std::string what;
  double patience = 0;
  std::mutex mutex;
  std::condition_variable work, done;
  std::atomic<uint64_t> job{0};  // number of the present job; what belongs to it is written before
  int64_t items = 0;             // of the present job
  int busy = 0;                  // threads that have not finished the present job
  std::atomic<bool> stop{false};
  std::exception_ptr error;
  std::atomic<int64_t> next{0}, finished{0};
  std::atomic<bool> failed{false}, abandoned{false};

  void Fail() {
    const std::lock_guard lock(mutex);
    if (!error) error = std::current_exception();
    failed = true;
  }
  void Finish() {
    const std::lock_guard lock(mutex);
    if (--busy == 0) done.notify_all();
  }
  // Waits for a job other than `seen`; false when there is none to come.
  bool Next(uint64_t seen) {
    const auto come = [&] { return stop || job != seen; };
    for (const Stopwatch watch; !come() && watch.Seconds() < kLookSeconds;) {
      std::this_thread::yield();
    }
    if (!come()) {
      std::unique_lock lock(mutex);
      work.wait(lock, come);
    }
    return !stop;
  }
};

WorkerPool::WorkerPool(int threads, const std::string& what, double patience, Factory make)
    : shared_(std::make_shared<Shared>()) {
  shared_->what = what;
  shared_->patience = patience;
  try {
    for (int i = 0; i < threads; ++i) {
      shared_->busy = 1;
      threads_.emplace_back(Loop, shared_, i, make);
      Wait("starting");
    }
  } catch (...) {
    Stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Stop() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
  }
  shared_->work.notify_all();
  for (std::thread& thread : threads_) {
    if (shared_->abandoned) {
      thread.detach();
    } else {
      thread.join();
    }
  }
  threads_.clear();
}

void WorkerPool::Run(int64_t items) {
  if (items == 0) return;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->abandoned)
      throw Error(shared_->what + " hung earlier: nothing can be drawn any more");
    shared_->items = items;
    shared_->next = 0;
    shared_->failed = false;
    shared_->busy = static_cast<int>(threads_.size());
    ++shared_->job;
  }
  shared_->work.notify_all();
  Wait("working");
}

void WorkerPool::Wait(const char* doing) {
  Shared& s = *shared_;
  std::unique_lock lock(s.mutex);
  int64_t seen = s.finished;
  const auto patience = std::chrono::duration<double>(s.patience);
  while (!s.done.wait_for(lock, patience, [&] { return s.busy == 0; })) {
    if (s.finished == seen) {
      s.abandoned = true;
      throw Error(fmt::format("{}: nothing happened for {} s while {}; the driver hangs", s.what,
                              s.patience, doing));
    }
    seen = s.finished;
  }
  if (s.error) {
    const std::exception_ptr error = s.error;
    s.error = nullptr;
    std::rethrow_exception(error);
  }
}

void WorkerPool::Loop(std::shared_ptr<Shared> shared, int index, Factory make) {
  Shared& s = *shared;
  std::unique_ptr<Worker> worker;
  try {
    worker = make(index);
  } catch (...) {
    s.Fail();
  }
  uint64_t seen = 0;  // no job is given before every thread has started
  s.Finish();
  while (worker != nullptr && s.Next(seen)) {
    seen = s.job;
    try {
      for (int64_t item = s.next++; item < s.items && !s.failed && !s.abandoned; item = s.next++) {
        worker->Do(item, s.abandoned);
        ++s.finished;
      }
    } catch (...) {
      s.Fail();
    }
    s.Finish();
  }
}

}  // namespace v2r
