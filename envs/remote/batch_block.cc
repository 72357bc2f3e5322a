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

// Calls each(span, bytes a row, planes) for the arrays of a view, in the order in which they lie.
template <typename View, typename Each>
void ForArrays(View& view, const VectorEnvSpec& spec, Each each) {
  const size_t pixels = spec.height * spec.width, extra = spec.extra_cameras.size();
  const size_t depth = spec.has_depth ? pixels * sizeof(float) : 0;
  const size_t segmentation = spec.has_segmentation ? pixels * 2 * sizeof(int32_t) : 0;
  each(view.obs, spec.obs_dim * sizeof(float), 1);
  each(view.next_obs, spec.obs_dim * sizeof(float), 1);
  each(view.env_reward, sizeof(double), 1);
  each(view.reward, sizeof(float), 1);
  each(view.info, spec.info_dim * sizeof(double), 1);
  for (auto* numbers : {&view.goal_id, &view.episode_id, &view.episode_step}) {
    each(*numbers, sizeof(int64_t), 1);
  }
  for (auto* flags : {&view.terminated, &view.truncated, &view.success}) each(*flags, 1, 1);
  each(view.frame_fresh, pixels > 0 ? 1 : 0, 1);
  each(view.goal_frame, spec.has_goal_frame ? pixels * 3 : 0, 1);

  each(view.next_frame, pixels * 3, 1);
  each(view.next_extra_frames, pixels * 3, extra);
  each(view.next_depth, depth, 1);
  each(view.next_extra_depth, depth, extra);
  each(view.next_segmentation, segmentation, 1);
  each(view.next_extra_segmentation, segmentation, extra);

  each(view.frame, pixels * 3, 1);
  each(view.extra_frames, pixels * 3, extra);
  each(view.depth, depth, 1);
  each(view.extra_depth, depth, extra);
  each(view.segmentation, segmentation, 1);
  each(view.extra_segmentation, segmentation, extra);
}

}  // namespace

BatchLayout::BatchLayout(const VectorEnvSpec& spec, int64_t rows) : spec_(spec), rows_(rows) {
  const BatchView none;
  ForArrays(none, spec_, [&](const auto&, size_t row_bytes, size_t planes) {
    arrays_.push_back({row_bytes, planes, size_});
    size_ += (rows_ * row_bytes * planes + kAlignment - 1) / kAlignment * kAlignment;
  });
  V2R_CHECK_EQ(arrays_.size(), kPresent + (kPresent - kNext));
}

void BatchLayout::Write(const BatchView& view, bool with_frame, uint8_t* block) const {
  size_t k = 0;
  ForArrays(view, spec_, [&](const auto& values, size_t row_bytes, size_t planes) {
    const size_t offset = arrays_[k].offset;
    if (k++ >= kPresent && !with_frame) return;
    V2R_CHECK_EQ(values.size_bytes(), rows_ * row_bytes * planes);
    if (!values.empty()) std::memcpy(block + offset, values.data(), values.size_bytes());
  });
}

BatchView BatchLayout::View(const uint8_t* block, bool with_frame) const {
  BatchView view;
  size_t k = 0;
  ForArrays(view, spec_, [&]<typename T>(std::span<const T>& values, size_t, size_t) {
    const Array& array = arrays_[k < kPresent || with_frame ? k : k - kPresent + kNext];
    values = {reinterpret_cast<const T*>(block + array.offset),
              rows_ * array.row_bytes * array.planes / sizeof(T)};
    ++k;
  });
  return view;
}

void BatchLayout::CopyRows(const BatchLayout& from, const uint8_t* from_block, bool with_frame,
                           int64_t from_row, uint8_t* block, bool frame, int64_t row,
                           int64_t count) const {
  const size_t end = frame ? arrays_.size() : kPresent;
  for (size_t k = 0; k < end; ++k) {
    const Array& to = arrays_[k];
    const Array& source = from.arrays_[k < kPresent || with_frame ? k : k - kPresent + kNext];
    if (to.row_bytes == 0) continue;
    for (size_t plane = 0; plane < to.planes; ++plane) {
      std::memcpy(block + to.offset + (plane * rows_ + row) * to.row_bytes,
                  from_block + source.offset + (plane * from.rows_ + from_row) * to.row_bytes,
                  count * to.row_bytes);
    }
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
