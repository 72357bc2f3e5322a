// The safetensors container without torch: what checkpoints, encoder files and golden data are made of.
// Format: https://github.com/huggingface/safetensors (8-byte little-endian header length, JSON header, data).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace v2r {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };
size_t SizeOf(DType dtype);
const char* Name(DType dtype);  // "F32", "I64", ... as in the header

template <typename T> struct DTypeOf;
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::kU8; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::kI32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::kI64; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::kF32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::kF64; };

// One dense tensor as bytes, little-endian, row-major. Shape [] is a scalar.
struct Blob {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  template <typename T>
  static Blob Of(std::span<const T> values, std::vector<int64_t> shape = {-1});
  template <typename T>
  static Blob Scalar(T value) { return Of<T>(std::span<const T>(&value, 1), {}); }
  int64_t numel() const;
  // The values; Error when T is not the stored type.
  template <typename T>
  std::span<const T> as() const;
};

// Named blobs: the state of anything that can be saved. Names are dotted paths ("env.3.rng").
using StateDict = std::map<std::string, Blob>;

// Copies `from` into `into` under `prefix` + ".".
void Merge(StateDict& into, const std::string& prefix, StateDict from);
// The entries under `prefix` + ".", with the prefix taken off.
StateDict Under(const StateDict& all, const std::string& prefix);
// The entry, or UserError naming it and `what` (e.g. "checkpoint") when it is missing.
const Blob& Require(const StateDict& state, const std::string& name, const std::string& what);
// The single value of a required entry, cast-free: T must be the stored type.
template <typename T>
T RequireScalar(const StateDict& state, const std::string& name, const std::string& what) {
  const auto values = Require(state, name, what).as<T>();
  if (values.size() != 1) ThrowUser("{}: {} should be one value, has {}", what, name, values.size());
  return values[0];
}
// Text as a U8 blob and back.
Blob TextBlob(const std::string& text);
std::string BlobText(const Blob& blob);

struct SafetensorsFile {
  StateDict tensors;
  std::map<std::string, std::string> metadata;
};

// Reads strictly: overlapping, missing or trailing bytes, unknown types and bad JSON are a UserError naming the file.
SafetensorsFile ReadSafetensors(const std::filesystem::path& path);
// Writes beside, fsyncs, renames: the file is old or new, never half. UserError when the disk refuses.
void WriteSafetensors(const std::filesystem::path& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata);

template <typename T>
Blob Blob::Of(std::span<const T> values, std::vector<int64_t> shape) {
  Blob blob;
  blob.dtype = DTypeOf<T>::value;
  if (shape.size() == 1 && shape[0] == -1) shape = {static_cast<int64_t>(values.size())};
  blob.shape = std::move(shape);
  const auto* first = reinterpret_cast<const uint8_t*>(values.data());
  blob.bytes.assign(first, first + values.size_bytes());
  V2R_CHECK_EQ(blob.numel(), static_cast<int64_t>(values.size()));
  return blob;
}

template <typename T>
std::span<const T> Blob::as() const {
  V2R_CHECK(dtype == DTypeOf<T>::value, "blob holds {}, asked for {}", Name(dtype),
            Name(DTypeOf<T>::value));
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace v2r
