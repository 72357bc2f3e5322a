#include "core/files.h"

#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

TEST(FilesTest, AtomicWriteReplacesAndLeavesNothingBeside) {
  const TempFolder folder;
  const auto path = folder / "a.bin";
  const std::string bytes("one\0two", 7);
  WriteFileAtomic(path, bytes);
  EXPECT_EQ(ReadFile(path), bytes);
  WriteFileAtomic(path, "");
  EXPECT_EQ(ReadFile(path), "");
  const std::string large(3'000'000, 'x');
  WriteFileAtomic(path, large);
  EXPECT_EQ(ReadFile(path), large);
  EXPECT_EQ(folder.FileCount(), 1u);
}

TEST(FilesTest, AFullDiskLeavesTheOldFile) {
  const TempFolder folder;
  const auto path = folder / "full.bin";
  WriteFileAtomic(path, "old");
  {
    const ScopedEnv full("V2R_SIMULATE_DISK_FULL", "full.bin");
    EXPECT_THAT(UserErrorOf([&] { WriteFileAtomic(path, "new text"); }),
                testing::AllOf(HasSubstr(path.string()), HasSubstr("No space left")));
    EXPECT_NO_THROW(WriteFileAtomic(folder / "other.bin", "x"));
  }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_EQ(folder.FileCount(), 2u);
}

TEST(FilesTest, ErrorsNamePathAndReason) {
  const TempFolder folder;
  EXPECT_THAT(UserErrorOf([&] { WriteFileAtomic(folder / "no/such", "x"); }),
              HasSubstr("No such file or directory"));
  EXPECT_THAT(UserErrorOf([&] { ReadFile(folder / "none"); }), HasSubstr("none: cannot be read"));
  EXPECT_THAT(UserErrorOf([&] { ReadFile(folder.path()); }), HasSubstr("Is a directory"));
  std::filesystem::create_directory(folder / "dir");
  EXPECT_THROW(WriteFileAtomic(folder / "dir", "x"), UserError);
  EXPECT_EQ(folder.FileCount(), 1u);
  folder.Write("file", "");
  EXPECT_THROW(MakeDirectories(folder / "file/sub"), UserError);
  EXPECT_THROW(MakeDirectories(folder / "file"), UserError);
  MakeDirectories(folder / "a/b/c");
  MakeDirectories(folder / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
}

// The published test values of FNV-1a with 64 bits.
TEST(FilesTest, HashIsFnv1a) {
  EXPECT_EQ(HashHex(std::string_view("")), "cbf29ce484222325");
  EXPECT_EQ(HashHex(std::string_view("a")), "af63dc4c8601ec8c");
  EXPECT_EQ(HashHex(std::string_view("foobar")), "85944171f73967e8");
}

TEST(FilesTest, HomeDirectoryFollowsTheEnvironment) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "configs");
  {
    const ScopedEnv home("V2R_HOME", folder.path().string());
    EXPECT_EQ(HomeDirectory(), folder.path());
  }
  {
    const ScopedEnv home("V2R_HOME", (folder / "configs").string());
    EXPECT_THAT(UserErrorOf([] { HomeDirectory(); }), HasSubstr("no folder 'configs'"));
  }
  const ScopedEnv home("V2R_HOME", "");
  EXPECT_TRUE(std::filesystem::is_directory(HomeDirectory() / "configs"));
}

}  // namespace
}  // namespace v2r
