#include "media/loader.h"

#include <torch/torch.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"

namespace v2r::internal {

struct BatchQueue::Impl {
  Make make;
  Rng rng;
  int64_t ahead = 1;
  LoaderMode mode = LoaderMode::kAhead;
  std::mutex mutex;
  std::condition_variable changed;
  int64_t claimed = 0;  // the next batch that no thread has taken on
  int64_t end = 0;      // batches before it may be made now
  int64_t making = 0;   // threads that make one
  std::map<int64_t, std::shared_ptr<void>> ready;
  std::map<int64_t, std::exception_ptr> failed;
  bool stop = false;
  std::vector<std::thread> threads;

  void Run() {
    const torch::NoGradGuard no_grad;
    while (true) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stop || !failed.empty() || claimed < end; });
      if (stop || !failed.empty()) return;
      const int64_t k = claimed++;
      ++making;
      lock.unlock();
      std::shared_ptr<void> batch;
      std::exception_ptr failure;
      try {
        Rng batch_rng = rng.Fork("batch", static_cast<uint64_t>(k));
        batch = make(batch_rng);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      --making;
      if (failure == nullptr) {
        ready[k] = std::move(batch);
      } else {
        failed[k] = failure;
      }
      changed.notify_all();
    }
  }
};

BatchQueue::BatchQueue(Make make, const Rng& rng, int64_t first, int64_t ahead, int64_t threads,
                       LoaderMode mode)
    : impl_(std::make_unique<Impl>()), position_(first) {
  V2R_CHECK(first >= 0 && ahead >= 1 && threads >= 1, "first batch {} ahead {} threads {}", first,
            ahead, threads);
  impl_->make = std::move(make);
  impl_->rng = rng;
  impl_->ahead = ahead;
  impl_->mode = mode;
  impl_->claimed = first;
  impl_->end = mode == LoaderMode::kAhead ? first + ahead : first;
  for (int64_t i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->Run(); });
  }
}

BatchQueue::~BatchQueue() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->changed.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

std::shared_ptr<void> BatchQueue::Next() {
  std::unique_lock lock(impl_->mutex);
  const bool bursts = impl_->mode == LoaderMode::kBursts;
  if (bursts && position_ == impl_->end) {
    impl_->end = position_ + impl_->ahead;
    impl_->changed.notify_all();
  }
  // A failed batch ends the making, and batches are claimed in order: every earlier one still
  // comes.
  impl_->changed.wait(lock, [&] {
    const bool there = impl_->ready.contains(position_) || impl_->failed.contains(position_);
    const bool over = impl_->claimed == impl_->end || !impl_->failed.empty();
    return there && (!bursts || (over && impl_->making == 0));
  });
  if (const auto it = impl_->failed.find(position_); it != impl_->failed.end())
    std::rethrow_exception(it->second);
  auto batch = std::move(impl_->ready.extract(position_).mapped());
  ++position_;
  if (!bursts) {
    ++impl_->end;
    impl_->changed.notify_all();
  }
  return batch;
}

}  // namespace v2r::internal
