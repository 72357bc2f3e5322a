#include "core/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <fstream>

#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class ZipTest : public testing::Test {
 protected:
  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) /
                                testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string text_ = std::string(5000, 'a') + "end";

  // "a/text" deflated, "b" stored.
  void Write() {
    std::filesystem::remove(path_);
    int code = 0;
    zip_t* archive = zip_open(path_.c_str(), ZIP_CREATE, &code);
    ASSERT_NE(archive, nullptr);
    const auto add = [&](const char* name, const std::string& bytes, int method) {
      zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
      const auto index = zip_file_add(archive, name, source, 0);
      ASSERT_GE(index, 0);
      zip_set_file_compression(archive, index, method, 0);
    };
    add("a/text", text_, ZIP_CM_DEFLATE);
    add("b", "stored bytes", ZIP_CM_STORE);
    ASSERT_EQ(zip_close(archive), 0);
  }
  void Damage(const std::string& what) {
    std::string bytes = ReadFile(path_);
    const size_t at = bytes.find(what);
    ASSERT_NE(at, std::string::npos);
    bytes[at] ^= 1;
    std::ofstream(path_, std::ios::binary) << bytes;
  }
};

TEST_F(ZipTest, ReadsStoredAndDeflatedEntries) {
  Write();
  EXPECT_TRUE(ZipReader::IsZip(path_));
  const ZipReader zip(path_);
  EXPECT_THAT(zip.names(), ElementsAre("a/text", "b"));
  EXPECT_TRUE(zip.Has("b"));
  EXPECT_FALSE(zip.Has("text"));
  EXPECT_EQ(zip.Read("a/text"), text_);
  EXPECT_EQ(zip.Read("b"), "stored bytes");
}

TEST_F(ZipTest, SaysWhatCannotBeRead) {
  Write();
  {
    const ZipReader zip(path_);
    EXPECT_THAT([&] { zip.Read("c"); }, ThrowsMessage<UserError>(HasSubstr("holds no 'c'")));
    EXPECT_THAT([&] { zip.Read("a/text", 100); },
                ThrowsMessage<UserError>(HasSubstr("is 5003 bytes when unpacked, at most 100")));
  }
  Damage("stored bytes");
  EXPECT_THAT([&] { ZipReader(path_).Read("b"); },
              ThrowsMessage<UserError>(HasSubstr("'b' cannot be read: CRC error")));
}

TEST_F(ZipTest, RefusesWhatIsNoArchive) {
  EXPECT_FALSE(ZipReader::IsZip(path_ / "none"));
  EXPECT_THAT([&] { ZipReader zip(path_ / "none"); },
              ThrowsMessage<UserError>(HasSubstr("cannot be read as a zip archive")));
  Write();
  const std::string bytes = ReadFile(path_);
  std::ofstream(path_, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT([&] { ZipReader zip(path_); },
              ThrowsMessage<UserError>(HasSubstr("cannot be read as a zip archive")));
}

}  // namespace
}  // namespace v2r
