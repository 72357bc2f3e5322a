#include "agents/serial_torch.h"

#include <dlfcn.h>

namespace v2r {
namespace {

// OpenMP and MKL live inside LibTorch; both settings belong to the calling thread.
// at::set_num_threads would change the whole process and drop oneDNN's cached kernels. A LibTorch
// without one of them has nothing to set there.
struct Threading {
  int (*omp_get_max_threads)();
  void (*omp_set_num_threads)(int);
  int (*mkl_set_num_threads_local)(int);
};

template <typename F>
F* Symbol(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

const Threading& Runtime() {
  static const Threading threading = {Symbol<int()>("omp_get_max_threads"),
                                      Symbol<void(int)>("omp_set_num_threads"),
                                      Symbol<int(int)>("MKL_Set_Num_Threads_Local")};
  return threading;
}

}  // namespace

SerialTorchScope::SerialTorchScope(bool enabled) : enabled_(enabled) {
  if (!enabled_) return;
  const Threading& runtime = Runtime();
  if (runtime.omp_get_max_threads != nullptr && runtime.omp_set_num_threads != nullptr) {
    omp_threads_ = runtime.omp_get_max_threads();
    runtime.omp_set_num_threads(1);
  }
  if (runtime.mkl_set_num_threads_local != nullptr)
    mkl_threads_ = runtime.mkl_set_num_threads_local(1);
}

SerialTorchScope::~SerialTorchScope() {
  if (!enabled_) return;
  const Threading& runtime = Runtime();
  if (omp_threads_ > 0) runtime.omp_set_num_threads(omp_threads_);
  if (runtime.mkl_set_num_threads_local != nullptr) runtime.mkl_set_num_threads_local(mkl_threads_);
}

}  // namespace v2r
