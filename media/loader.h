// Batches made ahead of their use on threads of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "core/rng.h"

namespace v2r {

// When the threads of a Loader make batches.
enum class LoaderMode {
  kAhead,   // all the time, up to `ahead` batches before they are fetched
  kBursts,  // only while Next() waits: `ahead` batches at once, then the cores are the caller's
};

namespace internal {
// The threads and the bounded queue, whatever a batch is.
class BatchQueue {
 public:
  using Make = std::function<std::shared_ptr<void>(Rng&)>;
  BatchQueue(Make make, const Rng& rng, int64_t first, int64_t ahead, int64_t threads,
             LoaderMode mode);
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;
  std::shared_ptr<void> Next();
  int64_t position() const { return position_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int64_t position_;
};
}  // namespace internal

// Batch k is make(r) with r = rng.Fork("batch", k), in the order of k, whatever the timing: a run
// that goes on at batch k gets what an uninterrupted one gets. `make` runs on `threads` (>= 1)
// other threads at once, without autograd, when `mode` says, at most `ahead` (>= 1) batches before
// they are fetched; what it reads must not change meanwhile. An exception of batch k comes out of the Next() that
// asks for k, and of all later ones.
template <typename Batch>
class Loader {
 public:
  Loader(std::function<Batch(Rng&)> make, const Rng& rng, int64_t first_batch = 0,
         int64_t ahead = 2, int64_t threads = 1, LoaderMode mode = LoaderMode::kAhead)
      : queue_([make = std::move(make)](Rng& r) { return std::make_shared<Batch>(make(r)); }, rng,
               first_batch, ahead, threads, mode) {}
  Batch Next() { return std::move(*std::static_pointer_cast<Batch>(queue_.Next())); }
  // The number of the batch that Next() returns: what a checkpoint keeps.
  int64_t position() const { return queue_.position(); }

 private:
  internal::BatchQueue queue_;
};

}  // namespace v2r
