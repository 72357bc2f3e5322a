#include "core/safetensors.h"

#include <cstring>

#include "core/files.h"
#include "core/rng.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

// A file with the header and the data as given.
std::string Container(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  int begin, int end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype,
                     shape, begin, end);
}

class SafetensorsTest : public testing::Test {
 protected:
  std::string Refusal(const std::string& bytes) {
    folder_.Write("x.safetensors", bytes);
    const std::string message = UserErrorOf([&] { ReadSafetensors(folder_ / "x.safetensors"); });
    EXPECT_THAT(message, HasSubstr("x.safetensors"));
    return message;
  }
  TempFolder folder_;
};

StateDict Example() {
  StateDict state;
  const std::vector<float> f = {1.5f, -2.f, 3.f, 4.f, 5.f, 6.f};
  state["b.weight"] = Blob::Of<float>(f, {2, 3});
  state["a.bytes"] = Blob::Of<uint8_t>(std::vector<uint8_t>{1, 2, 3});
  state["step"] = Blob::Scalar<int64_t>(-7);
  state["empty"] = Blob::Of<double>({}, {0, 4});
  state["text \"q\" \xC3\xA9"] = TextBlob("caf\xC3\xA9\n");
  Blob half;
  half.dtype = DType::kBF16;
  half.shape = {1, 2};
  half.bytes = {1, 2, 3, 4};
  state["half"] = half;
  return state;
}

TEST_F(SafetensorsTest, RoundTrip) {
  const auto path = folder_ / "a.safetensors";
  const StateDict state = Example();
  WriteSafetensors(path, state, {{"spec", "{\"x\": 1}"}, {"", ""}});
  const SafetensorsFile file = ReadSafetensors(path);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"spec", "{\"x\": 1}"}, {"", ""}}));
  ASSERT_EQ(file.tensors.size(), state.size());
  for (const auto& [name, blob] : state) {
    const Blob& read = file.tensors.at(name);
    EXPECT_EQ(read.dtype, blob.dtype) << name;
    EXPECT_EQ(read.shape, blob.shape) << name;
    EXPECT_EQ(read.bytes, blob.bytes) << name;
  }
  EXPECT_EQ(RequireScalar<int64_t>(file.tensors, "step", "test"), -7);
  EXPECT_EQ(BlobText(file.tensors.at("text \"q\" \xC3\xA9")), "caf\xC3\xA9\n");
  EXPECT_EQ(file.tensors.at("empty").numel(), 0);
}

TEST_F(SafetensorsTest, EmptyFileOfTensorsRoundTrips) {
  WriteSafetensors(folder_ / "a", {}, {});
  const SafetensorsFile file = ReadSafetensors(folder_ / "a");
  EXPECT_TRUE(file.tensors.empty());
  EXPECT_TRUE(file.metadata.empty());
}

TEST_F(SafetensorsTest, DataIsAlignedAndTheSameEveryTime) {
  WriteSafetensors(folder_ / "a", Example(), {{"k", "v"}});
  WriteSafetensors(folder_ / "b", Example(), {{"k", "v"}});
  const std::string bytes = ReadFile(folder_ / "a");
  EXPECT_EQ(bytes, ReadFile(folder_ / "b"));
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(bytes[8], '{');
}

TEST_F(SafetensorsTest, ReadsAFileWrittenByHand) {
  const auto path = folder_.Write("x", Container("{" + Entry("t", "I32", "[2]", 0, 8) +
                                                     ",\"__metadata__\":{\"format\":\"pt\"}}  ",
                                                 std::string("\1\0\0\0\xFF\xFF\xFF\xFF", 8)));
  const SafetensorsFile file = ReadSafetensors(path);
  const auto values = file.tensors.at("t").as<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(values.begin(), values.end()), (std::vector<int32_t>{1, -1}));
  EXPECT_EQ(file.metadata.at("format"), "pt");
}

TEST_F(SafetensorsTest, EveryTruncationIsRefused) {
  WriteSafetensors(folder_ / "a", Example(), {{"k", "v"}});
  const std::string bytes = ReadFile(folder_ / "a");
  for (size_t size = 0; size < bytes.size(); ++size) Refusal(bytes.substr(0, size));
  EXPECT_THAT(Refusal(bytes + "z"), HasSubstr("1 bytes follow"));
}

TEST_F(SafetensorsTest, DamagedHeadersAreRefused) {
  const std::string eight(8, '\0');
  EXPECT_THAT(Refusal(Container("not json", "")), HasSubstr("not JSON"));
  EXPECT_THAT(Refusal(Container("[1]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(std::string(8, '\xFF') + "{}"), HasSubstr("header"));
  EXPECT_THAT(Refusal(Container("{" + Entry("t", "F8_E4M3", "[8]", 0, 8) + "}", eight)),
              HasSubstr("F8_E4M3"));
  EXPECT_THAT(Refusal(Container("{" + Entry("t", "F32", "[3]", 0, 8) + "}", eight)),
              HasSubstr("has 8 bytes, its shape and type need 12"));
  EXPECT_THAT(Refusal(Container("{" + Entry("t", "F32", "[-2]", 0, 8) + "}", eight)),
              HasSubstr("not a size"));
  EXPECT_THAT(
      Refusal(Container("{" + Entry("t", "F32", "[4294967296,4294967296,4]", 0, 8) + "}", eight)),
      HasSubstr("need more"));
  EXPECT_THAT(Refusal(Container("{" + Entry("t", "F32", "[2]", 8, 0) + "}", eight)),
              HasSubstr("backwards"));
  EXPECT_THAT(Refusal(Container("{" + Entry("t", "F32", "[4]", 0, 16) + "}", eight)),
              HasSubstr("was the file cut off?"));
  EXPECT_THAT(Refusal(Container(R"({"t":{"dtype":"F32","shape":[2]}})", eight)),
              HasSubstr("missing"));
  EXPECT_THAT(Refusal(Container(R"({"t":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", eight)),
              HasSubstr("dtype"));
  EXPECT_THAT(Refusal(Container(R"({"t":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", eight)),
              HasSubstr("shape"));
  EXPECT_THAT(Refusal(Container(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", eight)),
              HasSubstr("data_offsets"));
  EXPECT_THAT(Refusal(Container(R"({"t":7})", "")), HasSubstr("missing"));
  EXPECT_THAT(Refusal(Container(R"({"__metadata__":{"k":1}})", "")),
              HasSubstr("'k' is not a string"));
  EXPECT_THAT(Refusal(Container(R"({"__metadata__":[]})", "")), HasSubstr("not a map"));
  EXPECT_THAT(Refusal(Container(
                  "{" + Entry("t", "F32", "[1]", 0, 4) + "," + Entry("t", "F32", "[1]", 4, 8) + "}",
                  eight)),
              HasSubstr("'t' stands twice"));
}

TEST_F(SafetensorsTest, OverlapsAndGapsAreRefused) {
  const std::string data(12, '\0');
  EXPECT_THAT(Refusal(Container("{" + Entry("a", "F32", "[2]", 0, 8) + "," +
                                    Entry("b", "F32", "[2]", 4, 12) + "}",
                                data)),
              HasSubstr("overlapping"));
  EXPECT_THAT(Refusal(Container("{" + Entry("a", "F32", "[1]", 0, 4) + "," +
                                    Entry("b", "F32", "[1]", 8, 12) + "}",
                                data)),
              HasSubstr("gap"));
  EXPECT_THAT(Refusal(Container("{" + Entry("a", "F32", "[2]", 4, 12) + "}", data)),
              HasSubstr("gap"));
}

// Offsets, sizes, names and types changed at random: an error, or a file that is whole.
TEST_F(SafetensorsTest, ThousandsOfDamagedFilesAreReadOrRefused) {
  const auto path = folder_ / "a.safetensors";
  WriteSafetensors(path, Example(), {{"k", "v"}});
  const std::string bytes = ReadFile(path);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const std::string characters = "0123456789,[]{}\":-eEFIU";
  int64_t read = 0, refused = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    Rng rng(seed);
    std::string changed = bytes;
    for (uint64_t n = 1 + rng.NextU64() % 3; n > 0; --n) {
      const size_t at = 8 + rng.NextU64() % header;
      switch (rng.NextU64() % 4) {
        case 0: changed[at] = characters[rng.NextU64() % characters.size()]; break;
        case 1: changed[at] ^= static_cast<char>(1u << (rng.NextU64() % 8)); break;
        case 2: changed[rng.NextU64() % 8] = static_cast<char>(rng.NextU64()); break;
        default: {  // a number grown beyond 64 bits
          const size_t digit = changed.find_first_of("123456789", at);
          if (digit < 8 + header) changed.replace(digit, 1, "99999999999999999999");
        }
      }
    }
    folder_.Write("x.safetensors", changed);
    try {
      for (const auto& [name, blob] : ReadSafetensors(folder_ / "x.safetensors").tensors) {
        ASSERT_EQ(blob.bytes.size(), static_cast<size_t>(blob.numel()) * SizeOf(blob.dtype));
      }
      ++read;
    } catch (const UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(read, 10);
  EXPECT_GT(refused, 1000);
}

TEST_F(SafetensorsTest, AFullDiskLeavesTheOldFile) {
  const auto path = folder_ / "ckpt.safetensors";
  WriteSafetensors(path, {{"step", Blob::Scalar<int64_t>(1)}}, {});
  {
    const ScopedEnv full("V2R_SIMULATE_DISK_FULL", "ckpt");
    EXPECT_THAT(UserErrorOf([&] { WriteSafetensors(path, Example(), {}); }),
                HasSubstr("ckpt.safetensors"));
  }
  EXPECT_EQ(RequireScalar<int64_t>(ReadSafetensors(path).tensors, "step", "checkpoint"), 1);
  EXPECT_EQ(folder_.FileCount(), 1u);
}

TEST(StateDictTest, MergeUnderRequire) {
  StateDict all;
  Merge(all, "agent.optim", {{"0.step", Blob::Scalar<int64_t>(3)}});
  Merge(all, "agent", {{"rng", Blob::Scalar<int64_t>(4)}});
  Merge(all, "agents", {{"x", Blob::Scalar<int64_t>(5)}});
  const StateDict agent = Under(all, "agent");
  ASSERT_EQ(agent.size(), 2u);
  EXPECT_EQ(RequireScalar<int64_t>(agent, "optim.0.step", "t"), 3);
  EXPECT_EQ(UserErrorOf([&] { Require(agent, "rgn", "checkpoint a"); }),
            "checkpoint a: 'rgn' is missing, did you mean 'rng'? (it has 2 entries)");
  EXPECT_THROW(
      RequireScalar<int64_t>({{"v", Blob::Of<int64_t>(std::vector<int64_t>{1, 2})}}, "v", "t"),
      UserError);
  EXPECT_THROW(agent.at("rng").as<float>(), Error);
  EXPECT_THROW(Blob::Of<float>(std::vector<float>{1, 2}, {3}), Error);
}

}  // namespace
}  // namespace v2r
