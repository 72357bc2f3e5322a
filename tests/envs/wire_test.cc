// Frames, what is put into them, and the memory that processes share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "core/error.h"
#include "envs/remote/batch_block.h"
#include "envs/remote/channel.h"
#include "tests/envs/worker_drive.h"

namespace v2r {
namespace {

using testing::HasSubstr;

std::vector<uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }

// CRC-32's check value of the catalogue of parametrised CRC algorithms: of "123456789".
TEST(Wire, ChecksumIsCrc32) {
  const auto bytes = Bytes("123456789");
  EXPECT_EQ(Crc32(bytes), 0xCBF43926u);
  EXPECT_EQ(Crc32(std::span(bytes).subspan(4), Crc32(std::span(bytes).first(4))), 0xCBF43926u);
  const auto longer = Bytes("1234567891234567890");
  uint32_t one_by_one = 0;
  for (const uint8_t& byte : longer) one_by_one = Crc32({&byte, 1}, one_by_one);
  EXPECT_EQ(Crc32(longer), one_by_one);
}

template <typename Body>
std::string WireErrorOf(Body body) {
  try {
    body();
  } catch (const WireError& error) {
    return error.what();
  }
  return "no WireError";
}

TEST(Wire, EveryDamagedBitOfAHeadIsFound) {
  std::array<uint8_t, kHeadSize> bytes;
  WriteHead({Tag::kStep, 7, 1000, 0x12345678}, bytes);
  const FrameHead head = ReadHead(bytes);
  EXPECT_EQ(head.tag, Tag::kStep);
  EXPECT_EQ(head.sequence, 7u);
  EXPECT_EQ(head.size, 1000u);
  EXPECT_EQ(head.checksum, 0x12345678u);
  for (size_t bit = 0; bit < 8 * kHeadSize; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_THAT(WireErrorOf([&] { ReadHead(damaged); }),
                testing::AnyOf(HasSubstr("no frame"), HasSubstr("damaged")))
        << bit;
  }
  WriteHead({Tag::kStep, 7, 1000, 0}, bytes, kWireVersion + 1);
  EXPECT_THAT(WireErrorOf([&] { ReadHead(bytes); }),
              HasSubstr(fmt::format("version {} of the worker protocol, this program version {}",
                                    kWireVersion + 1, kWireVersion)));
}

// Puts with `put`, gets with `get`, and gets from every part that is too short.
template <typename Put, typename Get>
void GoThrough(Put put, Get get) {
  std::vector<uint8_t> bytes;
  ByteWriter out(bytes);
  put(out);
  ByteReader in(bytes);
  get(in);
  in.ExpectEnd();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader part{std::span<const uint8_t>(bytes).first(size)};
    EXPECT_THROW(get(part), WireError) << size << " of " << bytes.size() << " bytes";
  }
  bytes.push_back(0);
  ByteReader more(bytes);
  get(more);
  EXPECT_THROW(more.ExpectEnd(), WireError);
}

TEST(Wire, ValuesComeBack) {
  StateDict state;
  state["a.b"] = Blob::Of<double>(std::vector<double>{1, 2, 3, 4, 5, 6}, {2, 3});
  state["empty"] = Blob::Of<uint8_t>(std::span<const uint8_t>());
  state["scalar"] = Blob::Scalar<int64_t>(-5);
  GoThrough([&](ByteWriter& out) { PutState(out, state); },
            [&](ByteReader& in) { EXPECT_TRUE(SameState(GetState(in), state)); });
  StartState start;
  start.qpos = {1, 2};
  start.ctrl = {3};
  start.time = 0.5;
  start.model["geom_pos"] = {4, 5};
  GoThrough([&](ByteWriter& out) { PutStart(out, start); },
            [&](ByteReader& in) {
              const StartState back = GetStart(in);
              EXPECT_EQ(back.qpos, start.qpos);
              EXPECT_EQ(back.ctrl, start.ctrl);
              EXPECT_EQ(back.time, 0.5);
              EXPECT_EQ(back.model, start.model);
            });
  VectorEnvSpec spec = MakeVectorEnv(Small("dmc/hopper_hop", 2))->Spec();
  spec.extra_cameras = {"side", "top"};
  spec.has_segmentation = true;
  spec.render_every = 4;
  GoThrough([&](ByteWriter& out) { PutSpec(out, spec); },
            [&](ByteReader& in) {
              const VectorEnvSpec back = GetSpec(in);
              EXPECT_EQ(back.name, spec.name);
              EXPECT_EQ(back.act_low, spec.act_low);
              EXPECT_EQ(back.act_high, spec.act_high);
              EXPECT_EQ(back.obs_dim, spec.obs_dim);
              EXPECT_EQ(back.max_episode_steps, spec.max_episode_steps);
              EXPECT_EQ(back.control_dt, spec.control_dt);
              EXPECT_EQ(back.extra_cameras, spec.extra_cameras);
              EXPECT_FALSE(back.has_depth);
              EXPECT_TRUE(back.has_segmentation);
              EXPECT_EQ(back.render_every, 4);
            });
  Rng rng(3);
  rng.NextU32();
  GoThrough([&](ByteWriter& out) { PutRng(out, rng); },
            [&](ByteReader& in) {
              Rng here = rng, there = GetRng(in);
              for (int k = 0; k < 9; ++k) EXPECT_EQ(here.NextU32(), there.NextU32());
            });
}

TEST(Wire, AStateWhoseShapeLiesIsRefused) {
  StateDict state;
  state["x"] = Blob::Scalar<double>(1);
  state["x"].shape = {int64_t{1} << 62, 16};
  std::vector<uint8_t> bytes;
  ByteWriter out(bytes);
  PutState(out, state);
  ByteReader in(bytes);
  EXPECT_THAT(WireErrorOf([&] { GetState(in); }), HasSubstr("shape and bytes disagree"));
}

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    near = std::make_unique<Channel>(ends[0]);
    far = ends[1];
  }
  ~Pair() { ::close(far); }
  std::unique_ptr<Channel> near;
  int far;
};

TEST(Channels, CarryFramesInTwoParts) {
  Pair pair;
  Channel other(::dup(pair.far));
  pair.near->Send(Tag::kBatch, 5, Bytes("ab"), Bytes("cd"), 1);
  std::vector<uint8_t> payload;
  const FrameHead head = other.Receive(payload, 1);
  EXPECT_EQ(head.tag, Tag::kBatch);
  EXPECT_EQ(head.sequence, 5u);
  EXPECT_EQ(payload, Bytes("abcd"));
}

TEST(Channels, SilenceGarbageAndSizeAreErrors) {
  std::vector<uint8_t> payload;
  {
    Pair pair;
    EXPECT_THAT(WireErrorOf([&] { pair.near->Receive(payload, 0.05); }),
                HasSubstr("said nothing for 0.05 s"));
    EXPECT_THAT(WireErrorOf([&] { pair.near->Receive(payload, 0.05); }), HasSubstr("closed"));
  }
  {
    Pair pair;
    const std::vector<uint8_t> much(16 << 20);
    EXPECT_THAT(WireErrorOf([&] { pair.near->Send(Tag::kLoad, 1, much, {}, 0.05); }),
                HasSubstr("took nothing for 0.05 s"));
  }
  {
    Pair pair;
    const std::string text = "GET / HTTP/1.1\r\nHost: somebody\r\n\r\n";
    ASSERT_EQ(::write(pair.far, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_THAT(WireErrorOf([&] { pair.near->Receive(payload, 1); }), HasSubstr("no frame"));
  }
  {
    Pair pair;
    Channel other(::dup(pair.far));
    other.Send(Tag::kHello, 1, Bytes("12345"), {}, 1);
    EXPECT_THAT(WireErrorOf([&] { pair.near->Receive(payload, 1, 4); }), HasSubstr("5 bytes"));
  }
  {
    Pair pair;
    ::shutdown(pair.far, SHUT_RDWR);
    EXPECT_THAT(WireErrorOf([&] { pair.near->Receive(payload, 1); }), HasSubstr("closed"));
  }
}

TEST(SharedMemories, AreSeenByNameUntilItIsTakenAway) {
  const auto mine = SharedMemory::Create(1000);
  const auto yours = SharedMemory::Open(mine->name(), 1000);
  ASSERT_NE(yours, nullptr);
  mine->data()[999] = 42;
  EXPECT_EQ(yours->data()[999], 42);
  EXPECT_EQ(SharedMemory::Open(mine->name(), 1001), nullptr) << "another size";
  EXPECT_EQ(SharedMemory::Open("/other", 1000), nullptr) << "none of ours";
  mine->Unlink();
  EXPECT_EQ(SharedMemory::Open(mine->name(), 1000), nullptr);
  yours->data()[0] = 7;
  EXPECT_EQ(mine->data()[0], 7) << "who has it keeps it";
}

}  // namespace
}  // namespace v2r
