// Fills a row of numbers from its first entry to its last.
#pragma once

#include <span>

#include "core/error.h"

namespace v2r {

template <typename T>
class RowWriter {
 public:
  explicit RowWriter(std::span<T> row) : left_(row) {}
  template <typename Number>
  void Put(Number value) {
    V2R_CHECK(!left_.empty(), "the row has no room left");
    left_[0] = static_cast<T>(value);
    left_ = left_.subspan(1);
  }
  template <typename Number>
  void Put(const Number* values, int count) {
    for (int k = 0; k < count; ++k) Put(values[k]);
  }
  bool Full() const { return left_.empty(); }

 private:
  std::span<T> left_;
};

using ObsRow = RowWriter<float>;    // an observation
using InfoRow = RowWriter<double>;  // EnvRow::info

}  // namespace v2r
