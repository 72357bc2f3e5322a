// What travels between a vector env and its worker processes, as bytes: frames of a known length
// with checksums, and the few values that are put into them. Little-endian; numbers, texts and
// arrays only, so reading a frame runs nothing that the other side chose.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "envs/vector_env.h"

namespace v2r {

// Increases with every change of what is written below.
inline constexpr uint16_t kWireVersion = 2;
inline constexpr uint32_t kMaxPayload = 1u << 30;  // bytes

// The other side is gone, silent or not to be understood: what a worker can be replaced for.
class WireError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a frame says. The client asks, the worker answers each frame with one frame.
enum class Tag : uint16_t {
  kHello = 1,  // program, MuJoCo, token -> kDone
  kBuild,      // options, slice, model hash -> kSpec
  kSpec,       // VectorEnvSpec of the worker's envs
  kMap,        // name and size of shared memory -> kDone
  kReset,      // seed -> kBatch
  kStep,       // actions [n, act_dim] -> kBatch
  kEnter,      // env, StartState -> kBatch
  kRestart,    // mask [n] -> kBatch
  kBatch,      // BatchHead, and the rows where no memory is shared
  kExpert,     // skill, Rng -> kActions
  kActions,    // Rng, actions [n, act_dim]
  kDistance,   // -> kDistance with [n] floats
  kSave,       // -> kState
  kState,      // StateDict
  kLoad,       // StateDict -> kDone
  kDone,       // nothing
  kRefused,    // why the handshake ends
  kFailed,     // an exception of the environment: 1 where the user can mend it, text
};

struct FrameHead {
  Tag tag = Tag::kDone;
  uint32_t sequence = 0;  // of the question; the answer bears the same
  uint32_t size = 0;      // bytes of payload
  uint32_t checksum = 0;  // of the payload
};
inline constexpr size_t kHeadSize = 24;

// CRC-32 (IEEE 802.3, reflected) of `bytes`, going on from `crc`.
uint32_t Crc32(std::span<const uint8_t> bytes, uint32_t crc = 0);

// "V2RW", version u16, tag u16, sequence u32, size u32, checksum u32, checksum of these 20 bytes.
void WriteHead(const FrameHead& head, std::span<uint8_t, kHeadSize> out,
               uint16_t version = kWireVersion);
// WireError: no frame, damaged, of another protocol version.
FrameHead ReadHead(std::span<const uint8_t, kHeadSize> in);

// Appends values to `bytes`.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<uint8_t>& bytes) : bytes_(bytes) { bytes_.clear(); }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Put(T value) { Raw(&value, sizeof(value)); }
  template <typename T>
  void PutAll(std::span<const T> values) {
    Put<uint64_t>(values.size());
    Raw(values.data(), values.size_bytes());
  }
  void PutText(const std::string& text) { PutAll(std::span(text.data(), text.size())); }

 private:
  void Raw(const void* data, size_t size) {
    const auto* first = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  std::vector<uint8_t>& bytes_;
};

// Takes values out of `bytes` in the order they were put in; WireError where they do not suffice.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  template <typename T>
  requires std::is_arithmetic_v<T> T Get() {
    T value;
    Raw(&value, sizeof(value));
    return value;
  }
  template <typename T>
  std::vector<T> GetAll() {
    const auto size = Get<uint64_t>();
    if (size > rest_.size() / sizeof(T)) Short();
    std::vector<T> values(size);
    Raw(values.data(), size * sizeof(T));
    return values;
  }
  std::string GetText() {
    const auto text = GetAll<char>();
    return {text.begin(), text.end()};
  }
  void ExpectEnd() const;  // WireError when something is left

 private:
  [[noreturn]] static void Short();
  void Raw(void* out, size_t size);
  std::span<const uint8_t> rest_;
};

void PutState(ByteWriter& out, const StateDict& state);
StateDict GetState(ByteReader& in);
void PutStart(ByteWriter& out, const StartState& start);
StartState GetStart(ByteReader& in);
void PutSpec(ByteWriter& out, const VectorEnvSpec& spec);
VectorEnvSpec GetSpec(ByteReader& in);
void PutRng(ByteWriter& out, const Rng& rng);
Rng GetRng(ByteReader& in);

}  // namespace v2r
