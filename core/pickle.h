// Python pickles read as data. Nothing is imported, called or built: a class or function is its
// name, a call is an inert record of what would have been called with what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace v2r {

struct PickleNode {
  enum class Kind {
    kNone,
    kBool,        // integer
    kInt,         // integer
    kBigInt,      // text: little-endian two's complement, more than 8 bytes
    kFloat,       // number
    kText,        // text
    kBytes,       // text
    kTuple,       // items
    kList,        // items
    kSet,         // items
    kDict,        // items: key, value, key, value, ...
    kGlobal,      // text: "module name"
    kObject,      // items: callable, arguments; entries: key, value, ... stored into it afterwards
    kPersistent,  // items: what names something outside the pickle
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<uint32_t> items;    // indices of nodes
  std::vector<uint32_t> entries;  // of a kObject
};

// A pickle of protocol 0 to 5 as a graph (it may have cycles: whoever walks it counts the steps).
class Pickle {
 public:
  // Reads one pickle at the beginning of `bytes`. UserError beginning with `what`: damaged, cut
  // off, larger than the limits below, or with opcodes that need Python (extension registry,
  // out-of-band buffers).
  Pickle(std::string_view bytes, const std::string& what);
  const PickleNode& root() const { return nodes_[root_]; }
  const PickleNode& node(uint32_t index) const { return nodes_[index]; }
  const std::vector<PickleNode>& nodes() const { return nodes_; }
  size_t size() const { return size_; }  // bytes read

  static constexpr size_t kMaxNodes = 2'000'000;
  static constexpr size_t kMaxStack = 2'000'000;
  static constexpr size_t kMaxMemo = 2'000'000;

 private:
  friend class PickleReader;
  std::vector<PickleNode> nodes_;
  uint32_t root_ = 0;
  size_t size_ = 0;
};

}  // namespace v2r
