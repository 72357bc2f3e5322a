// The rows of a BatchView as one block of bytes: what a worker writes into shared memory or sends,
// and what the client shows.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "envs/vector_env.h"

namespace v2r {

// Where each array of a batch of `rows` environments lies. The pictures of the present states are
// last: they are left out where they equal those of the next states ("frame" below stands for all
// of them).
class BatchLayout {
 public:
  BatchLayout() = default;
  BatchLayout(const VectorEnvSpec& spec, int64_t rows);

  size_t size(bool with_frame = true) const {
    return with_frame ? size_ : arrays_[kPresent].offset;
  }
  // Copies the arrays of `view`, which has `rows` rows.
  void Write(const BatchView& view, bool with_frame, uint8_t* block) const;
  // Arrays in `block`, aligned for what they hold; `frame` is next_frame without one of its own.
  BatchView View(const uint8_t* block, bool with_frame) const;
  // Copies `count` rows of every array: from `from_row` on of another block to `row` on of this
  // one. Without `with_frame` the other's frame is its next_frame; without `frame` this one's is
  // left as it is.
  void CopyRows(const BatchLayout& from, const uint8_t* from_block, bool with_frame,
                int64_t from_row, uint8_t* block, bool frame, int64_t row, int64_t count) const;

 private:
  static constexpr size_t kNext = 13, kPresent = 19;  // the first of the six of each kind
  struct Array {
    size_t row_bytes, planes;  // one plane a camera: rows_ rows one after the other
    size_t offset;
  };
  VectorEnvSpec spec_;
  std::vector<Array> arrays_;
  size_t size_ = 0;
  int64_t rows_ = 0;
};

// Memory that two processes of one host see.
class SharedMemory {
 public:
  // A new one of a random name. UserError when there is no room (/dev/shm).
  static std::unique_ptr<SharedMemory> Create(size_t size);
  // One that another process made; null when this host has none of that name and size.
  static std::unique_ptr<SharedMemory> Open(const std::string& name, size_t size);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  const std::string& name() const { return name_; }
  uint8_t* data() const { return data_; }
  void Unlink();  // takes the name away; who has mapped it keeps it

 private:
  SharedMemory(std::string name, uint8_t* data, size_t size, bool linked)
      : name_(std::move(name)), data_(data), size_(size), linked_(linked) {}
  std::string name_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  bool linked_ = false;
};

}  // namespace v2r
