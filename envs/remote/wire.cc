#include "envs/remote/wire.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/error.h"

namespace v2r {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kMagic = 0x57523256;  // "V2RW"

// kTables[k][b]: the checksum of byte b followed by k zero bytes, so that eight bytes are taken at
// once.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t before = tables[k - 1][b];
      tables[k][b] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}
constexpr auto kTables = MakeTables();

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename T>
uint8_t* Store(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof(value));
  return to + sizeof(value);
}

}  // namespace

uint32_t Crc32(std::span<const uint8_t> bytes, uint32_t crc) {
  crc = ~crc;
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    const uint64_t word = Load<uint64_t>(p) ^ crc;
    crc = 0;
    for (int k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> (8 * k) & 255];
  }
  for (; left > 0; --left, ++p) crc = crc >> 8 ^ kTables[0][(crc ^ *p) & 255];
  return ~crc;
}

void WriteHead(const FrameHead& head, std::span<uint8_t, kHeadSize> out, uint16_t version) {
  uint8_t* to = Store(out.data(), kMagic);
  to = Store(to, version);
  to = Store(to, static_cast<uint16_t>(head.tag));
  to = Store(to, head.sequence);
  to = Store(to, head.size);
  to = Store(to, head.checksum);
  Store(to, Crc32(out.first(kHeadSize - sizeof(uint32_t))));
}

FrameHead ReadHead(std::span<const uint8_t, kHeadSize> in) {
  if (Load<uint32_t>(in.data()) != kMagic) throw WireError("sent something that is no frame");
  if (Load<uint32_t>(in.data() + 20) != Crc32(in.first(kHeadSize - sizeof(uint32_t)))) {
    throw WireError("sent a frame whose head is damaged");
  }
  // The checksum comes first: a damaged version is not another version.
  const auto version = Load<uint16_t>(in.data() + 4);
  if (version != kWireVersion) {
    throw WireError(fmt::format("speaks version {} of the worker protocol, this program version {}",
                                version, kWireVersion));
  }
  return {static_cast<Tag>(Load<uint16_t>(in.data() + 6)), Load<uint32_t>(in.data() + 8),
          Load<uint32_t>(in.data() + 12), Load<uint32_t>(in.data() + 16)};
}

void ByteReader::Short() { throw WireError("sent a message that is too short"); }

void ByteReader::Raw(void* out, size_t size) {
  if (size > rest_.size()) Short();
  if (size > 0) std::memcpy(out, rest_.data(), size);
  rest_ = rest_.subspan(size);
}

void ByteReader::ExpectEnd() const {
  if (!rest_.empty()) throw WireError("sent a message that is too long");
}

void PutState(ByteWriter& out, const StateDict& state) {
  out.Put<uint64_t>(state.size());
  for (const auto& [name, blob] : state) {
    out.PutText(name);
    out.Put(static_cast<uint8_t>(blob.dtype));
    out.PutAll(std::span<const int64_t>(blob.shape));
    out.PutAll(std::span<const uint8_t>(blob.bytes));
  }
}

StateDict GetState(ByteReader& in) {
  StateDict state;
  const auto count = in.Get<uint64_t>();
  for (uint64_t k = 0; k < count; ++k) {
    const std::string name = in.GetText();
    const auto dtype = in.Get<uint8_t>();
    if (dtype > static_cast<uint8_t>(DType::kF64)) {
      throw WireError("sent a state of an unknown type");
    }
    Blob blob{static_cast<DType>(dtype), in.GetAll<int64_t>(), in.GetAll<uint8_t>()};
    uint64_t bytes = SizeOf(blob.dtype);
    bool fits = true;
    for (const int64_t size : blob.shape) {
      fits =
          fits && size >= 0 && !__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes);
    }
    if (!fits || bytes != blob.bytes.size()) {
      throw WireError("sent a state whose shape and bytes disagree");
    }
    state[name] = std::move(blob);
  }
  return state;
}

void PutStart(ByteWriter& out, const StartState& start) {
  for (const auto* values :
       {&start.qpos, &start.qvel, &start.act, &start.qacc_warmstart, &start.ctrl}) {
    out.PutAll(std::span<const double>(*values));
  }
  out.Put(start.time);
  out.Put<uint64_t>(start.model.size());
  for (const auto& [field, values] : start.model) {
    out.PutText(field);
    out.PutAll(std::span<const double>(values));
  }
}

StartState GetStart(ByteReader& in) {
  StartState start;
  for (auto* values : {&start.qpos, &start.qvel, &start.act, &start.qacc_warmstart, &start.ctrl}) {
    *values = in.GetAll<double>();
  }
  start.time = in.Get<double>();
  const auto count = in.Get<uint64_t>();
  for (uint64_t k = 0; k < count; ++k) {
    const std::string field = in.GetText();
    start.model[field] = in.GetAll<double>();
  }
  return start;
}

void PutSpec(ByteWriter& out, const VectorEnvSpec& spec) {
  out.PutText(spec.name);
  for (const int64_t value : {spec.num_envs, spec.obs_dim, spec.act_dim, spec.max_episode_steps,
                              spec.height, spec.width, spec.info_dim, spec.render_every}) {
    out.Put(value);
  }
  out.PutAll(std::span<const float>(spec.act_low));
  out.PutAll(std::span<const float>(spec.act_high));
  out.Put(spec.control_dt);
  out.Put<uint8_t>(spec.has_goal_frame);
  out.Put<uint8_t>(spec.deferred_rewards);
  out.Put<uint8_t>(spec.has_depth);
  out.Put<uint8_t>(spec.has_segmentation);
  out.Put<uint64_t>(spec.extra_cameras.size());
  for (const std::string& name : spec.extra_cameras) out.PutText(name);
  out.Put<uint64_t>(spec.info.size());
  for (const InfoField& field : spec.info) {
    out.PutText(field.name);
    out.Put(field.size);
  }
}

VectorEnvSpec GetSpec(ByteReader& in) {
  VectorEnvSpec spec;
  spec.name = in.GetText();
  for (int64_t* value : {&spec.num_envs, &spec.obs_dim, &spec.act_dim, &spec.max_episode_steps,
                         &spec.height, &spec.width, &spec.info_dim, &spec.render_every}) {
    *value = in.Get<int64_t>();
    if (*value < 0 || *value > kMaxPayload) throw WireError("sent a size that cannot be");
  }
  spec.act_low = in.GetAll<float>();
  spec.act_high = in.GetAll<float>();
  if (static_cast<int64_t>(spec.act_low.size()) != spec.act_dim ||
      static_cast<int64_t>(spec.act_high.size()) != spec.act_dim) {
    throw WireError("sent bounds of other actions");
  }
  spec.control_dt = in.Get<double>();
  spec.has_goal_frame = in.Get<uint8_t>() != 0;
  spec.deferred_rewards = in.Get<uint8_t>() != 0;
  spec.has_depth = in.Get<uint8_t>() != 0;
  spec.has_segmentation = in.Get<uint8_t>() != 0;
  const auto cameras = in.Get<uint64_t>();
  for (uint64_t k = 0; k < cameras; ++k) spec.extra_cameras.push_back(in.GetText());
  const auto count = in.Get<uint64_t>();
  for (uint64_t k = 0; k < count; ++k) {
    const std::string name = in.GetText();
    spec.info.push_back({name, in.Get<int64_t>()});
  }
  return spec;
}

void PutRng(ByteWriter& out, const Rng& rng) {
  const Rng::State state = rng.Save();
  for (const uint64_t word : {state.key, state.counter, state.position}) out.Put(word);
}

Rng GetRng(ByteReader& in) {
  Rng::State state;
  for (uint64_t* word : {&state.key, &state.counter, &state.position}) *word = in.Get<uint64_t>();
  if (state.position > 4) throw WireError("sent a generator that cannot be");
  Rng rng;
  rng.Load(state);
  return rng;
}

}  // namespace v2r
