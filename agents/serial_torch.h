// Runs torch's CPU operators of this thread on one thread for the life of the scope. A policy's
// matrices are so small that two threads gain a quarter on an idle machine and lose tenfold on a
// busy one, where each of the many barriers waits for a descheduled thread. It also makes results
// independent of the number of torch threads.
#pragma once

namespace v2r {

class SerialTorchScope {
 public:
  // Does nothing when `enabled` is false.
  explicit SerialTorchScope(bool enabled);
  ~SerialTorchScope();
  SerialTorchScope(const SerialTorchScope&) = delete;
  SerialTorchScope& operator=(const SerialTorchScope&) = delete;

 private:
  bool enabled_;
  int omp_threads_ = 0;
  int mkl_threads_ = 0;
};

}  // namespace v2r
