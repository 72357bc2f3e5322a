// Threads that each own something which cannot leave its thread (a GL context) and share the items
// of a job between them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace v2r {

// Made, used and destroyed on one thread of the pool.
class Worker {
 public:
  virtual ~Worker() = default;
  // `abandoned` turns true when the pool has given up on this thread: what the job's caller owns
  // must not be touched any more.
  virtual void Do(int64_t item, const std::atomic<bool>& abandoned) = 0;
};

class WorkerPool {
 public:
  using Factory = std::function<std::unique_ptr<Worker>(int index)>;

  // Starts `threads` threads and waits until each has made its worker, one after the other; an
  // exception of the factory is thrown here. `what` names the threads in messages; `patience` is
  // how long (seconds) nothing may be finished before Run gives up.
  WorkerPool(int threads, const std::string& what, double patience, Factory make);
  // Joins the threads; those that hang are left alone.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Do(0) ... Do(items - 1), each on some thread; returns when all are done. Allocates nothing.
  // Throws the first exception of a worker, and Error when nothing was finished for `patience`
  // seconds; after that every Run throws.
  void Run(int64_t items);

 private:
  struct Shared;
  static void Loop(std::shared_ptr<Shared> shared, int index, Factory make);
  void Wait(const char* doing);
  void Stop();

  std::shared_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

}  // namespace v2r
