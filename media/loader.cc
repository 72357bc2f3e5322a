#include "media/loader.h"

#include <torch/torch.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"

namespace v2r::internal {

struct BatchQueue::Impl {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<void>> ready;
  std::exception_ptr error;
  bool stop = false;
  std::thread thread;  // last: it uses the rest

  void Run(const Make& make, const Rng& rng, int64_t first, size_t ahead) {
    const torch::NoGradGuard no_grad;
    for (int64_t k = first;; ++k) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stop || ready.size() < ahead; });
      if (stop) return;
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
      if (failure == nullptr) {
        ready.push_back(std::move(batch));
      } else {
        error = failure;
      }
      changed.notify_all();
      if (failure != nullptr) return;
    }
  }
};

BatchQueue::BatchQueue(Make make, const Rng& rng, int64_t first, int64_t ahead)
    : impl_(std::make_unique<Impl>()), position_(first) {
  V2R_CHECK(first >= 0 && ahead >= 1, "first batch {} ahead {}", first, ahead);
  impl_->thread = std::thread([impl = impl_.get(), make = std::move(make), rng, first, ahead] {
    impl->Run(make, rng, first, static_cast<size_t>(ahead));
  });
}

BatchQueue::~BatchQueue() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

std::shared_ptr<void> BatchQueue::Next() {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return !impl_->ready.empty() || impl_->error != nullptr; });
  if (impl_->ready.empty()) std::rethrow_exception(impl_->error);
  auto batch = std::move(impl_->ready.front());
  impl_->ready.pop_front();
  ++position_;
  impl_->changed.notify_all();
  return batch;
}

}  // namespace v2r::internal
