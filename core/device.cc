#include "core/device.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// The folder of libtorch_cpu.so.
fs::path TorchFolder() {
  Dl_info info{};
  const void* symbol = reinterpret_cast<const void*>(&torch::cuda::is_available);
  V2R_CHECK(dladdr(symbol, &info) != 0 && info.dli_fname != nullptr);
  std::error_code error;
  return fs::weakly_canonical(info.dli_fname, error).parent_path();
}

// Opens the CUDA half of LibTorch; returns the reason why it cannot be used, "" when it can.
// It must be opened before anything asks torch about CUDA: torch remembers the answer of its first
// look.
std::string OpenCuda() {
  std::error_code error;
  if (!fs::exists("/dev/nvidiactl", error) && !fs::exists("/dev/nvidia0", error)) {
    return "this host has no NVIDIA device (/dev/nvidiactl, /dev/nvidia0)";
  }
  const fs::path library = TorchFolder() / "libtorch_cuda.so";
  if (!fs::exists(library, error)) {
    return library.string() + " is missing: run scripts/bootstrap on this host";
  }
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = dlerror();
    return fmt::format("{} cannot be opened: {}; run scripts/bootstrap on this host",
                       library.string(), reason == nullptr ? "unknown reason" : reason);
  }
  try {
    if (torch::cuda::is_available()) return "";
  } catch (const c10::Error& failure) {
    return std::string("CUDA does not start: ") + failure.what_without_backtrace();
  }
  return "CUDA finds no GPU that it can use (driver too old, or CUDA_VISIBLE_DEVICES is empty)";
}

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return std::string(Trim(line.substr(line.find(':') + 1)));
  }
  return "CPU";
}

// The GPU's name from the driver: the CUDA headers are not needed to build this program.
std::string GpuName(int index) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return "GPU";
  using Init = int (*)(unsigned);
  using GetDevice = int (*)(int*, int);
  using GetName = int (*)(char*, int, int);
  const auto init = reinterpret_cast<Init>(dlsym(driver, "cuInit"));
  const auto get_device = reinterpret_cast<GetDevice>(dlsym(driver, "cuDeviceGet"));
  const auto get_name = reinterpret_cast<GetName>(dlsym(driver, "cuDeviceGetName"));
  char name[256] = {};
  int device = 0;
  const bool good = init != nullptr && get_device != nullptr && get_name != nullptr &&
                    init(0) == 0 && get_device(&device, index) == 0 &&
                    get_name(name, sizeof(name) - 1, device) == 0;
  dlclose(driver);
  return good ? name : "GPU";
}

}  // namespace

bool CudaAvailable(std::string* why) {
  static const std::string reason = OpenCuda();
  if (why != nullptr) *why = reason;
  return reason.empty();
}

torch::Device ResolveDevice(const std::string& name) {
  std::string why;
  if (name == "cpu") return torch::kCPU;
  if (name == "auto") {
    if (CudaAvailable(&why)) {
      LogInfo("device auto: cuda ({})", GpuName(0));
      return {torch::kCUDA, 0};
    }
    LogInfo("device auto: cpu, because {}", why);
    return torch::kCPU;
  }
  int index = 0;
  bool known = name == "cuda";
  if (name.starts_with("cuda:")) {
    const char* last = name.data() + name.size();
    const auto [end, error] = std::from_chars(name.data() + 5, last, index);
    known = error == std::errc() && end == last && index >= 0 && index < 128;
  }
  if (!known) {
    const std::vector<std::string> names = {"auto", "cpu", "cuda", "cuda:0"};
    ThrowUser("unknown device '{}'{} (known: auto, cpu, cuda, cuda:N)", name,
              DidYouMean(name, names));
  }
  if (!CudaAvailable(&why)) ThrowUser("device '{}' is not to be had: {}", name, why);
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (index >= count) ThrowUser("device '{}' does not exist: there are {} GPUs", name, count);
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

int SetTorchThreads(int threads) {
  if (threads < 0) ThrowUser("torch threads should be >= 0 (0 = all cores), is {}", threads);
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  at::set_num_threads(threads);
  return at::get_num_threads();
}

std::string DescribeDevice(const torch::Device& device) {
  if (device.is_cuda()) {
    const int index = device.has_index() ? device.index() : 0;
    return fmt::format("cuda:{} ({})", index, GpuName(index));
  }
  return fmt::format("cpu ({}, {} torch threads)", CpuName(), at::get_num_threads());
}

}  // namespace v2r
