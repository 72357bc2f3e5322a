#include "core/torch_file.h"

#include <zip.h>

#include <cstring>

#include "core/files.h"
#include "core/rng.h"
#include "core/zip.h"
#include "tests/core/helpers.h"
#include "tests/golden_files.h"

namespace v2r {
namespace {

using testing::Contains;
using testing::HasSubstr;
using namespace std::string_literals;

template <typename T>
std::vector<T> Values(const Blob& blob) {
  const auto* first = reinterpret_cast<const T*>(blob.bytes.data());
  return {first, first + blob.bytes.size() / sizeof(T)};
}

std::vector<float> Counting(int first, int count, int step = 1) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(first + i * step));
  return values;
}

// Entries stored, as torch.save writes them.
void WriteZip(const std::filesystem::path& path,
              const std::vector<std::pair<std::string, std::string>>& entries) {
  std::filesystem::remove(path);
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const auto index = zip_file_add(archive, name.c_str(), source, 0);
    ASSERT_GE(index, 0);
    zip_set_file_compression(archive, index, ZIP_CM_STORE, 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

// Reads everything in the file; false: it was refused.
bool ReadsAll(const std::filesystem::path& path) {
  try {
    const TorchFile file(path);
    for (const auto& [name, entry] : file.tensors()) {
      const Blob blob = file.Read(name);
      EXPECT_EQ(blob.bytes.size(), static_cast<size_t>(blob.numel()) * SizeOf(blob.dtype));
    }
    return true;
  } catch (const UserError&) {
    return false;
  }
}

TEST(TorchFileGolden, EveryTypeAndStride) {
  if (GoldenSetLeftOut("pth")) GTEST_SKIP() << "no folder " << GoldenDir("pth");
  for (const auto& path : GoldenFiles("pth", "types", ".pth")) {
    SCOPED_TRACE(path.filename());
    ASSERT_TRUE(TorchFile::IsTorchFile(path));
    const TorchFile file(path);
    EXPECT_EQ(file.legacy(), !ZipReader::IsZip(path));
    const auto expect_dtype = [&](const char* name, DType dtype) {
      EXPECT_EQ(file.tensors().at(name).dtype, dtype) << name;
      return file.Read(name);
    };
    const std::vector<int> six = {0, 1, 2, 3, 4, 5};
    EXPECT_EQ(Values<double>(expect_dtype("f64", DType::kF64)),
              std::vector<double>(six.begin(), six.end()));
    EXPECT_EQ(Values<int64_t>(expect_dtype("i64", DType::kI64)),
              std::vector<int64_t>(six.begin(), six.end()));
    EXPECT_EQ(Values<int32_t>(expect_dtype("i32", DType::kI32)),
              std::vector<int32_t>(six.begin(), six.end()));
    EXPECT_EQ(Values<int16_t>(expect_dtype("i16", DType::kI16)),
              std::vector<int16_t>(six.begin(), six.end()));
    EXPECT_EQ(Values<int8_t>(expect_dtype("i8", DType::kI8)),
              std::vector<int8_t>(six.begin(), six.end()));
    EXPECT_EQ(Values<uint8_t>(expect_dtype("u8", DType::kU8)),
              std::vector<uint8_t>(six.begin(), six.end()));
    EXPECT_EQ(Values<uint8_t>(expect_dtype("bool", DType::kBool)),
              (std::vector<uint8_t>{0, 1, 0, 1, 0, 1}));
    // 0, 1, 2, 3, 4, 5 in 16 bits.
    EXPECT_EQ(Values<uint16_t>(expect_dtype("f16", DType::kF16)),
              (std::vector<uint16_t>{0, 0x3C00, 0x4000, 0x4200, 0x4400, 0x4500}));
    EXPECT_EQ(Values<uint16_t>(expect_dtype("bf16", DType::kBF16)),
              (std::vector<uint16_t>{0, 0x3F80, 0x4000, 0x4040, 0x4080, 0x40A0}));
    EXPECT_EQ(Values<float>(file.Read("scalar")), Counting(5, 1));
    EXPECT_TRUE(file.Read("scalar").shape.empty());
    EXPECT_EQ(file.Read("empty").shape, (std::vector<int64_t>{0, 3}));
    EXPECT_EQ(file.Read("transposed").shape, (std::vector<int64_t>{6, 4}));
    EXPECT_EQ(Values<float>(file.Read("transposed"))[1], 6);
    EXPECT_EQ(Values<float>(file.Read("transposed"))[4], 1);
    EXPECT_EQ(Values<float>(file.Read("slice")), (std::vector<float>{16, 18, 20, 22}));
    EXPECT_EQ(Values<float>(file.Read("channels_last")), Counting(0, 24));
    EXPECT_EQ(Values<float>(file.Read("parameter")), Counting(0, 6));
    EXPECT_EQ(Values<float>(file.Read("nested.0.a")), Counting(6, 6));
    EXPECT_EQ(Values<float>(file.Read("nested.1.0")), Counting(12, 6));
    EXPECT_EQ(Values<float>(file.Read("nested.1.1.b")), Counting(18, 6));
    EXPECT_EQ(Values<float>(file.Read("3")), Counting(0, 3));
    EXPECT_EQ(file.tensors().size(), 19u);
    EXPECT_THAT(file.skipped(), Contains("argparse.Namespace"));
    EXPECT_THAT(file.skipped(), Contains("pathlib.PurePosixPath"));
    if (!file.legacy()) {
      EXPECT_THAT(file.skipped(), Contains("torch.ComplexFloatStorage"));
    }
  }
}

// The pickle of {"w": tensor} with these sizes, over one float storage of `numel` elements.
std::string TensorPickle(int64_t numel, int64_t offset, const std::vector<int64_t>& shape,
                         const std::vector<int64_t>& strides,
                         const std::string& type = "FloatStorage") {
  const auto number = [](int64_t value) {
    std::string bytes = "\x8a\x08"s;
    bytes.append(reinterpret_cast<const char*>(&value), 8);
    return bytes;
  };
  const auto tuple = [&](const std::vector<int64_t>& values) {
    std::string bytes = "(";
    for (const int64_t value : values) bytes += number(value);
    return bytes + "t";
  };
  return "\x80\x02}U\x01w"s + "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n" + type +
         "\nU\x01" + "0U\x03" + "cpu" + number(numel) + "tQ" + number(offset) + tuple(shape) +
         tuple(strides) + "\x89Nt" + "Rs.";
}

class TorchFileTest : public testing::Test {
 protected:
  std::string Refusal(const std::string& pickle,
                      const std::string& storage = std::string(24, 'x')) {
    WriteZip(path_, {{"a/data.pkl", pickle}, {"a/data/0", storage}});
    return UserErrorOf([&] {
      const TorchFile file(path_);
      for (const auto& [name, entry] : file.tensors()) file.Read(name);
    });
  }
  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "x.pth";
};

TEST_F(TorchFileTest, ATensorStaysInsideItsStorage) {
  WriteZip(path_, {{"a/data.pkl", TensorPickle(6, 0, {2, 3}, {3, 1})},
                   {"a/data/0", std::string(24, '\0')}});
  EXPECT_EQ(Values<float>(TorchFile(path_).Read("w")), std::vector<float>(6, 0.f));
  constexpr int64_t kHuge = INT64_MAX;
  const auto unfit = HasSubstr("does not fit its storage of 6 elements");
  EXPECT_THAT(Refusal(TensorPickle(6, 1, {2, 3}, {3, 1})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {2, 3}, {4, 1})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {7}, {0})), unfit);  // one element seven times
  EXPECT_THAT(Refusal(TensorPickle(6, kHuge, {2}, {1})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {2, 2}, {kHuge, kHuge})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {kHuge, kHuge}, {0, 0})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {int64_t{1} << 62, 4}, {0, 0})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {0, kHuge, kHuge}, {0, 0, 0})), unfit);
  EXPECT_THAT(Refusal(TensorPickle(6, -1, {2}, {1})), HasSubstr("size or offset"));
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {-2}, {1})), HasSubstr("size or offset"));
  EXPECT_THAT(Refusal(TensorPickle(6, 5, {2}, {-1})), HasSubstr("size or offset"));
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {2}, {1, 1})), HasSubstr("differ in length"));
  EXPECT_THAT(Refusal(TensorPickle(kHuge, 0, {2}, {1})), HasSubstr("too large"));
  EXPECT_THAT(Refusal(TensorPickle(7, 0, {7}, {1})), HasSubstr("has 24 bytes, it should have 28"));
  EXPECT_THAT(Refusal(TensorPickle(5, 0, {5}, {1})), HasSubstr("is 24 bytes when unpacked"));
  EXPECT_THAT(Refusal(TensorPickle(6, 0, {2}, {1}, "ComplexFloatStorage")),
              HasSubstr("holds no tensor"));
}

TEST_F(TorchFileTest, SaysWhatItIsInstead) {
  EXPECT_THAT(UserErrorOf([&] { TorchFile file(folder_ / "none.pth"); }),
              HasSubstr("no such file"));
  EXPECT_THAT(UserErrorOf([&] { TorchFile file(folder_.Write("a.pth", "hello")); }),
              HasSubstr("neither as a zip archive nor"));
  WriteZip(path_, {{"a/data.pkl", "N."}, {"a/constants.pkl", "N."}});
  EXPECT_THAT(UserErrorOf([&] { TorchFile file(path_); }), HasSubstr("TorchScript"));
  WriteZip(path_, {{"a/data.pkl", "N."}, {"a/byteorder", "big"}});
  EXPECT_THAT(UserErrorOf([&] { TorchFile file(path_); }), HasSubstr("big-endian"));
  WriteZip(path_, {{"readme", "x"}});
  EXPECT_THAT(UserErrorOf([&] { TorchFile file(path_); }), HasSubstr("holds 0 files data.pkl"));
  EXPECT_THAT(Refusal("cmy.models\nNet\n)R."), HasSubstr("my.models Net"));
  EXPECT_THAT(Refusal("}."), HasSubstr("holds no tensor"));
}

TEST_F(TorchFileTest, CyclesAndManyReferencesEnd) {
  EXPECT_THAT(Refusal("\x80\x02]q\1h\1a."s), HasSubstr("nested too deeply"));
  // Lists of two references to the next: 2^40 ways to the bottom.
  std::string doubled = "\x80\x02)q\0"s;
  for (char i = 1; i <= 40; ++i) {
    doubled += "](h"s + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "eq" + i;
  }
  EXPECT_THAT(Refusal(doubled + "."), HasSubstr("more values than can be meant"));
}

// Changes that a damaged disk or a hostile author makes.
std::string Mutated(const std::string& bytes, Rng& rng) {
  std::string changed = bytes;
  const auto at = [&] { return rng.NextU64() % changed.size(); };
  switch (rng.NextU64() % 6) {
    case 0:
      changed[at()] ^= static_cast<char>(1u << (rng.NextU64() % 8));
      break;
    case 1:
      changed.resize(at());
      break;
    case 2:
      changed[at()] = static_cast<char>(rng.NextU64());
      break;
    case 3:  // a giant length, size or offset
      for (size_t i = at(), end = std::min(changed.size(), i + 4); i < end; ++i)
        changed[i] = '\xFF';
      break;
    case 4: {  // a part once more
      const size_t from = at(), count = rng.NextU64() % 40;
      changed.insert(at(), changed.substr(from, count));
      break;
    }
    default: {  // hostile opcodes
      const std::string opcodes = "h\1Rbc\n\n(tuQ0.\x81\x93\x94"s;
      for (int i = 0; i < 3; ++i) changed[at()] = opcodes[rng.NextU64() % opcodes.size()];
    }
  }
  return changed;
}

TEST_F(TorchFileTest, ThousandsOfDamagedFilesAreReadOrRefused) {
  if (GoldenSetLeftOut("pth")) GTEST_SKIP() << "no folder " << GoldenDir("pth");
  for (const auto& source : GoldenFiles("pth", "", ".pth")) {
    SCOPED_TRACE(source.filename());
    const std::string bytes = ReadFile(source);
    if (bytes.size() > 20000) continue;
    int64_t read = 0, refused = 0;
    const auto count = [&](bool whole) { ++(whole ? read : refused); };
    for (uint64_t seed = 0; seed < 600; ++seed) {
      Rng rng(seed);
      std::string changed = Mutated(bytes, rng);
      while (rng.NextU64() % 2 == 0 && !changed.empty()) changed = Mutated(changed, rng);
      count(ReadsAll(folder_.Write("x.pth", changed)));
    }
    EXPECT_GT(refused, 100);
    if (!ZipReader::IsZip(source)) continue;
    // The check sums catch most of it: the pickle inside a whole archive.
    std::vector<std::pair<std::string, std::string>> entries;
    const ZipReader zip(source);
    size_t pickle = 0;
    for (const std::string& name : zip.names()) {
      if (name.ends_with("data.pkl")) pickle = entries.size();
      entries.emplace_back(name, zip.Read(name));
    }
    const std::string whole = entries[pickle].second;
    for (uint64_t seed = 0; seed < 600; ++seed) {
      Rng rng(seed);
      entries[pickle].second = Mutated(whole, rng);
      WriteZip(path_, entries);
      count(ReadsAll(path_));
    }
    EXPECT_GT(read, 10);
  }
}

}  // namespace
}  // namespace v2r
