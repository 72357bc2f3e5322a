#include "envs/remote/batch_block.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "core/error.h"

namespace v2r {
namespace {

constexpr size_t kAlignment = 64;

template <typename T>
std::span<const uint8_t> Bytes(std::span<const T> values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size_bytes()};
}

}  // namespace

BatchLayout::BatchLayout(const VectorEnvSpec& spec, int64_t rows) : rows_(rows) {
  const size_t picture = static_cast<size_t>(spec.height * spec.width * 3);
  const size_t obs = spec.obs_dim * sizeof(float);
  // The order of Write and View.
  row_bytes_ = {obs,
                obs,
                sizeof(double),
                sizeof(float),
                spec.info_dim * sizeof(double),
                sizeof(int64_t),
                sizeof(int64_t),
                sizeof(int64_t),
                1,
                1,
                1,
                picture,
                spec.has_goal_frame ? picture : 0,
                picture};
  for (size_t k = 0; k < kCount; ++k) {
    offset_[k] = size_;
    size_ += (rows * row_bytes_[k] + kAlignment - 1) / kAlignment * kAlignment;
  }
}

void BatchLayout::Write(const BatchView& view, bool with_frame, uint8_t* block) const {
  const std::array<std::span<const uint8_t>, kCount> arrays = {
      Bytes(view.obs),        Bytes(view.next_obs),
      Bytes(view.env_reward), Bytes(view.reward),
      Bytes(view.info),       Bytes(view.goal_id),
      Bytes(view.episode_id), Bytes(view.episode_step),
      view.terminated,        view.truncated,
      view.success,           view.next_frame,
      view.goal_frame,        view.frame};
  for (size_t k = 0; k < kCount; ++k) {
    if (k == kFrame && !with_frame) continue;
    V2R_CHECK_EQ(arrays[k].size(), rows_ * row_bytes_[k]);
    if (!arrays[k].empty()) std::memcpy(block + offset_[k], arrays[k].data(), arrays[k].size());
  }
}

BatchView BatchLayout::View(const uint8_t* block, bool with_frame) const {
  const auto all = [&]<typename T>(size_t k, std::span<const T>& out) {
    out = {reinterpret_cast<const T*>(block + offset_[k]), rows_ * row_bytes_[k] / sizeof(T)};
  };
  BatchView view;
  all(0, view.obs);
  all(1, view.next_obs);
  all(2, view.env_reward);
  all(3, view.reward);
  all(4, view.info);
  all(5, view.goal_id);
  all(6, view.episode_id);
  all(7, view.episode_step);
  all(8, view.terminated);
  all(9, view.truncated);
  all(10, view.success);
  all(kNextFrame, view.next_frame);
  all(12, view.goal_frame);
  all(with_frame ? kFrame : kNextFrame, view.frame);
  return view;
}

void BatchLayout::CopyRows(const BatchLayout& from, const uint8_t* from_block, bool with_frame,
                           int64_t from_row, uint8_t* block, bool frame, int64_t row,
                           int64_t count) const {
  for (size_t k = 0; k < kCount; ++k) {
    if (k == kFrame && !frame) continue;
    const size_t source = k == kFrame && !with_frame ? kNextFrame : k;
    if (row_bytes_[k] == 0) continue;
    std::memcpy(block + offset_[k] + row * row_bytes_[k],
                from_block + from.offset_[source] + from_row * row_bytes_[k],
                count * row_bytes_[k]);
  }
}

std::unique_ptr<SharedMemory> SharedMemory::Create(size_t size) {
  std::random_device device;
  const std::string name =
      fmt::format("/v2r-{}-{:08x}{:08x}{:08x}", ::getpid(), device(), device(), device());
  const int fd = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) ThrowUser("shared memory {}: {}", name, std::strerror(errno));
  // Takes the pages now: a full /dev/shm is an error here and not a SIGBUS later.
  const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  void* data =
      error != 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (data == MAP_FAILED) {
    ::shm_unlink(name.c_str());
    ThrowUser("shared memory of {} bytes for a worker process: {} (is /dev/shm large enough?)",
              size, std::strerror(error != 0 ? error : errno));
  }
  return std::unique_ptr<SharedMemory>(
      new SharedMemory(name, static_cast<uint8_t*>(data), size, true));
}

std::unique_ptr<SharedMemory> SharedMemory::Open(const std::string& name, size_t size) {
  if (!name.starts_with("/v2r-")) return nullptr;
  const int fd = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return nullptr;
  struct stat info {};
  void* data = MAP_FAILED;
  if (::fstat(fd, &info) == 0 && static_cast<size_t>(info.st_size) == size) {
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (data == MAP_FAILED) return nullptr;
  return std::unique_ptr<SharedMemory>(
      new SharedMemory(name, static_cast<uint8_t*>(data), size, false));
}

void SharedMemory::Unlink() {
  if (linked_) ::shm_unlink(name_.c_str());
  linked_ = false;
}

SharedMemory::~SharedMemory() {
  Unlink();
  ::munmap(data_, size_);
}

}  // namespace v2r
