// Class folders, CIFAR's files and .npz, and what is refused of them.
#include "media/labelled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/zip.h"
#include "media/npz.h"
#include "tests/media/film.h"

namespace v2r {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DataOptions At(const std::filesystem::path& path, const std::string& format = "auto",
               const std::string& split = "train") {
  DataOptions options;
  options.path = path.string();
  options.format = format;
  options.split = split;
  options.frame_size = 32;
  return options;
}

std::vector<std::string> NamesOf(const ClipSet& set) {
  std::vector<std::string> names;
  for (const Clip& clip : set.clips) names.push_back(clip.name);
  return names;
}
std::vector<int64_t> TargetsOf(const ClipSet& set) {
  std::vector<int64_t> targets;
  for (const Clip& clip : set.clips) targets.push_back(clip.target);
  return targets;
}

void WritePicture(const std::filesystem::path& path, int shade, int side = 32) {
  std::filesystem::create_directories(path.parent_path());
  Image image(side, side);
  std::fill(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(shade));
  WritePng(path, image.view());
}

// Bytes 0, 1, 2, ... mod 251.
NpyArray Ramp(const std::vector<int64_t>& shape, const std::string& descr = "|u1") {
  NpyArray array{descr, shape, ""};
  array.bytes.resize(static_cast<size_t>(array.numel() * array.ItemSize()));
  for (size_t i = 0; i < array.bytes.size(); ++i) array.bytes[i] = static_cast<char>(i % 251);
  return array;
}
NpyArray Labels(const std::vector<uint8_t>& values) {
  return {"|u1", {static_cast<int64_t>(values.size())}, {values.begin(), values.end()}};
}

// ---- NPY

TEST(Npy, WhatIsWrittenIsRead) {
  for (const auto& [descr, shape] : std::map<std::string, std::vector<int64_t>>{
           {"|u1", {2, 3}}, {"<i8", {4}}, {"<f4", {}}, {"|S5", {3}}, {"|b1", {0, 7}}}) {
    SCOPED_TRACE(descr);
    const NpyArray array = Ramp(shape, descr);
    const std::string bytes = NpyBytes(array);
    EXPECT_EQ((bytes.size() - array.bytes.size()) % 64, 0u);
    const NpyArray read = ParseNpy(bytes, "a.npy");
    EXPECT_EQ(read.descr, descr);
    EXPECT_EQ(read.shape, shape);
    EXPECT_EQ(read.bytes, array.bytes);
  }
}

std::string Npy(int major, const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(major);
  bytes += '\0';
  const size_t field = major == 1 ? 2 : 4;
  for (size_t i = 0; i < field; ++i) bytes += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes + header + data;
}

TEST(Npy, AllThreeFormatsAndFreeSpacing) {
  const std::string header = "{ 'shape':(2 ,), \"descr\" : '|u1','fortran_order':False}\n";
  for (const int major : {1, 2, 3}) {
    const NpyArray array = ParseNpy(Npy(major, header, "ab"), "a.npy");
    EXPECT_EQ(array.shape, std::vector<int64_t>{2});
    EXPECT_EQ(array.bytes, "ab");
  }
}

TEST(Npy, BadFilesAreRefusedByName) {
  const auto header = [](const std::string& descr, const std::string& order,
                         const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  };
  const std::string good = header("'|u1'", "False", "(2,)");
  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"magic", {"NUMPY\1", "does not begin as one"}},
      {"short", {"\x93NUMPY", "cut short in its header"}},
      {"format", {Npy(4, good, "ab"), "NPY format 4"}},
      {"header length", {Npy(1, good, "ab").substr(0, 20), "cut short in its header"}},
      {"too few bytes", {Npy(1, good, "a"), "does not fit the 1 bytes"}},
      {"too many bytes", {Npy(1, good, "abc"), "does not fit the 3 bytes"}},
      {"fortran", {Npy(1, header("'|u1'", "True", "(2,)"), "ab"), "ascontiguousarray"}},
      {"big-endian", {Npy(1, header("'>i2'", "False", "(1,)"), "ab"), "type '>i2' is not read"}},
      {"object", {Npy(1, header("'|O'", "False", "(2,)"), "ab"), "type '|O' is not read"}},
      {"wide", {Npy(1, header("'<i3'", "False", "(1,)"), "abc"), "type '<i3' is not read"}},
      {"structured", {Npy(1, header("[('a', '|u1')]", "False", "(2,)"), "ab"), "structured"}},
      {"negative", {Npy(1, header("'|u1'", "False", "(-2,)"), "ab"), "is no size"}},
      {"overflow",
       {Npy(1, header("'<i8'", "False", "(4294967296, 4294967296, 4)"), ""), "does not fit"}},
      {"missing", {Npy(1, "{'descr': '|u1'}", "ab"), "is missing"}},
      {"unknown key", {Npy(1, "{'colour': 'red'}", "ab"), "unexpected key 'colour'"}},
      {"trailing", {Npy(1, good + "x", "ab"), "text after the dict"}},
      {"quote", {Npy(1, "{'descr", "ab"), "a quote is not closed"}}};
  for (const auto& [name, bad] : cases) {
    SCOPED_TRACE(name);
    const std::string message = UserErrorOf([&] { ParseNpy(bad.first, "set.npz: array 'x'"); });
    EXPECT_THAT(message, HasSubstr("set.npz: array 'x'"));
    EXPECT_THAT(message, HasSubstr(bad.second));
  }
}

TEST(Npy, NoCutOffFileIsTaken) {
  const std::string bytes = NpyBytes(Ramp({3, 5}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(ParseNpy(bytes.substr(0, size), "a"), UserError) << size;
  }
}

// ---- .npz

TEST(LoadNpz, LayoutsOfPictures) {
  const TempFolder folder;
  const auto load = [&](const NpyArray& x) {
    WriteNpz(folder / "a.npz", {{"x", x}, {"y", Labels({1, 0})}});
    const ClipSet set = LoadClips(At(folder / "a.npz"));
    EXPECT_EQ(TargetsOf(set), (std::vector<int64_t>{1, 0}));
    EXPECT_THAT(set.classes, ElementsAre("0", "1"));
    return set.clips[1].frames;
  };
  const auto ramp = [](int64_t count) {
    return torch::arange(count).remainder(251).to(torch::kUInt8);
  };
  const auto rgb = ramp(2 * 32 * 32 * 3).view({2, 32, 32, 3});
  EXPECT_TRUE(torch::equal(load(Ramp({2, 32, 32, 3})), rgb.slice(0, 1)));
  const auto planes = ramp(2 * 32 * 32 * 3).view({2, 3, 32, 32});
  EXPECT_TRUE(torch::equal(load(Ramp({2, 3, 32, 32})), planes.slice(0, 1).permute({0, 2, 3, 1})));
  const auto grey = ramp(2 * 32 * 32).view({2, 32, 32, 1}).expand({-1, -1, -1, 3});
  EXPECT_TRUE(torch::equal(load(Ramp({2, 32, 32})), grey.slice(0, 1)));
  EXPECT_TRUE(torch::equal(load(Ramp({2, 32, 32, 1})), grey.slice(0, 1)));
  EXPECT_EQ(load(Ramp({2, 48, 40, 3})).sizes(), (std::vector<int64_t>{1, 32, 32, 3}));
}

TEST(LoadNpz, PartsClassesAndLimits) {
  const TempFolder folder;
  const auto path = folder / "a.npz";
  WriteNpz(path, {{"x_train", Ramp({4, 32, 32})},
                  {"y_train", Labels({0, 1, 0, 1})},
                  {"x_test", Ramp({1, 32, 32})},
                  {"y_test", Labels({1})},
                  {"classes", {"|S3", {2}, "onetwo"}}});
  EXPECT_EQ(LoadClips(At(path)).clips.size(), 4u);
  EXPECT_EQ(TargetsOf(LoadClips(At(path, "auto", "test"))), std::vector<int64_t>{1});
  EXPECT_EQ(LoadClips(At(path, "auto", "all")).clips.size(), 5u);
  EXPECT_THAT(LoadClips(At(path)).classes, ElementsAre("one", "two"));
  DataOptions few = At(path);
  few.max_clips = 1;
  EXPECT_THAT(NamesOf(LoadClips(few)), ElementsAre("000000", "000001"));
  few.max_gib = 1e-6;
  EXPECT_THAT(UserErrorOf([&] { LoadClips(few); }), HasSubstr("data.max_gib"));
}

TEST(LoadNpz, PicturesInARowOfOneNumberAreAClip) {
  const TempFolder folder;
  const auto path = folder / "a.npz";
  std::map<std::string, NpyArray> arrays = {{"x_train", Ramp({5, 32, 32})},
                                            {"y_train", Labels({0, 0, 1, 1, 0})},
                                            {"clip_train", Labels({7, 7, 2, 2, 7})},
                                            {"x_test", Ramp({2, 32, 32})},
                                            {"y_test", Labels({0, 0})},
                                            {"clip_test", Labels({7, 7})}};
  WriteNpz(path, arrays);
  const auto lengths = [](const ClipSet& set) {
    std::vector<int64_t> frames;
    for (const Clip& clip : set.clips) frames.push_back(clip.frames.size(0));
    return frames;
  };
  const ClipSet all = LoadClips(At(path, "auto", "all"));
  EXPECT_THAT(lengths(all), ElementsAre(2, 2, 1, 2));
  EXPECT_EQ(TargetsOf(all), (std::vector<int64_t>{0, 1, 0, 0}));
  EXPECT_THAT(NamesOf(all), ElementsAre("000000", "000002", "000004", "000005"));
  const ClipSet whole = LoadClips(At(path, "auto", "train"));
  arrays.erase("clip_train");
  arrays.erase("clip_test");
  WriteNpz(path, arrays);
  const ClipSet single = LoadClips(At(path, "auto", "train"));
  ASSERT_EQ(single.clips.size(), 5u);
  EXPECT_TRUE(torch::equal(whole.clips[1].frames[1], single.clips[3].frames[0]));
  DataOptions few = At(path);
  few.max_clips = 1;
  arrays["clip_train"] = Labels({7, 7, 2, 2, 7});
  WriteNpz(path, arrays);
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(path, "auto", "all")); }), HasSubstr("only one"));
  EXPECT_THAT(lengths(LoadClips(few)), ElementsAre(2, 2));
  arrays["y_train"] = Labels({0, 1, 1, 1, 0});
  WriteNpz(path, arrays);
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(path)); }),
              HasSubstr("pictures 0 and 1 are of one clip, their labels are 0 and 1"));
  arrays["clip_train"] = Labels({1, 1});
  WriteNpz(path, arrays);
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(path)); }), HasSubstr("one clip for each of 5"));
}

TEST(LoadNpz, PicturesWithoutLabels) {
  const TempFolder folder;
  WriteNpz(folder / "a.npz", {{"images", Ramp({2, 32, 32})}});
  const ClipSet set = LoadClips(At(folder / "a.npz"));
  EXPECT_EQ(TargetsOf(set), (std::vector<int64_t>{-1, -1}));
  EXPECT_TRUE(set.classes.empty());
}

TEST(LoadNpz, WhatDoesNotFitIsNamed) {
  const TempFolder folder;
  const auto path = folder / "a.npz";
  using Arrays = std::map<std::string, NpyArray>;
  const std::vector<std::pair<Arrays, std::string>> cases = {
      {{{"z", Ramp({2, 32, 32})}}, "it holds z.npy"},
      {{{"x", Ramp({2, 32, 32}, "<f4")}}, "array 'x': pictures are uint8"},
      {{{"x", Ramp({2, 32})}}, "shape (2, 32)"},
      {{{"x", Ramp({2, 32, 32, 4})}}, "shape (2, 32, 32, 4)"},
      {{{"x", Ramp({2, 3, 32, 3})}}, "could be [N,H,W,C] or [N,C,H,W]"},
      {{{"x", Ramp({0, 32, 32})}}, "no pictures"},
      {{{"x", Ramp({2, 32, 32})}, {"y", Labels({0})}}, "array 'y': shape (1)"},
      {{{"x", Ramp({2, 32, 32})}, {"y", Ramp({2}, "<f8")}}, "labels are integers"},
      {{{"x", Ramp({1, 32, 32})}, {"y", {"|i1", {1}, "\xff"}}}, "label -1 of picture 0"},
      {{{"x", Ramp({1, 32, 32})}, {"y", Labels({2})}, {"classes", {"|S1", {2}, "ab"}}},
       "names 2 only"}};
  for (const auto& [arrays, message] : cases) {
    WriteNpz(path, arrays);
    const std::string said = UserErrorOf([&] { LoadClips(At(path)); });
    EXPECT_THAT(said, HasSubstr("a.npz"));
    EXPECT_THAT(said, HasSubstr(message));
  }
  WriteNpz(path, {{"x", Ramp({1, 32, 32})}});
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(path, "auto", "test")); }),
              HasSubstr("data.split=test"));
  WriteFileAtomic(path, "no zip");
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(path)); }), HasSubstr("a.npz: cannot be read as"));
}

TEST(Npz, EqualArraysGiveEqualBytes) {
  const TempFolder folder;
  for (const char* name : {"a.npz", "b.npz"}) WriteNpz(folder / name, {{"x", Ramp({5, 7})}});
  EXPECT_EQ(ReadFile(folder / "a.npz"), ReadFile(folder / "b.npz"));
  EXPECT_THAT(ZipReader(folder / "a.npz").names(), ElementsAre("x.npy"));
}

// ---- folders of classes

TEST(LoadImageFolder, OrderIsThatOfTorchvision) {
  const TempFolder folder;
  WritePicture(folder / "cat/b10.png", 10);
  WritePicture(folder / "cat/b2.png", 20);
  WritePicture(folder / "cat/deep/a.png", 30);
  WritePicture(folder / "Zebra/x.png", 40);
  WriteFileAtomic(folder / "cat/notes.txt", "no picture");
  const ClipSet set = LoadClips(At(folder.path(), "images"));
  EXPECT_THAT(set.classes, ElementsAre("Zebra", "cat"));  // by byte, not by natural order
  EXPECT_THAT(NamesOf(set),
              ElementsAre("Zebra/x.png", "cat/b10.png", "cat/b2.png", "cat/deep/a.png"));
  EXPECT_EQ(TargetsOf(set), (std::vector<int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(set.clips[1].frames[0][0][0][0].item<int>(), 10);
  EXPECT_EQ(LoadClips(At(folder.path())).classes.size(), 0u) << "not without being asked";
}

TEST(LoadImageFolder, PartsAndLimits) {
  const TempFolder folder;
  WritePicture(folder / "train/a/1.png", 1);
  WritePicture(folder / "train/a/2.png", 2, 48);
  WritePicture(folder / "train/b/3.png", 3);
  WritePicture(folder / "val/a/4.png", 4);
  WritePicture(folder / "val/b/5.png", 5);
  EXPECT_EQ(TargetsOf(LoadClips(At(folder.path(), "images", "train"))),
            (std::vector<int64_t>{0, 0, 1}));
  EXPECT_THAT(NamesOf(LoadClips(At(folder.path(), "images", "test"))),
              ElementsAre("val/a/4.png", "val/b/5.png"));
  EXPECT_EQ(LoadClips(At(folder.path(), "images", "all")).classes.size(), 2u);
  DataOptions few = At(folder.path(), "images", "train");
  few.max_clips = 1;
  EXPECT_EQ(LoadClips(few).clips.size(), 2u);
}

TEST(LoadImageFolder, WhatIsNoClassIsRefused) {
  const TempFolder folder;
  const auto said = [&](const std::string& split = "train") {
    return UserErrorOf([&] { LoadClips(At(folder.path(), "images", split)); });
  };
  EXPECT_THAT(said(), HasSubstr("holds no folder of pictures"));
  WritePicture(folder / "a/1.png", 1);
  EXPECT_THAT(said("test"), HasSubstr("no parts train and test"));
  std::filesystem::create_directories(folder / "b");
  EXPECT_THAT(said(), HasSubstr("the class has no picture"));
  WritePicture(folder / "b/1.png", 1);
  WritePicture(folder / "loose.png", 1);
  EXPECT_THAT(said(), HasSubstr("loose.png: a picture beside the folders"));
  std::filesystem::remove(folder / "loose.png");
  CutOffFile(folder / "b/1.png", 0.5);
  EXPECT_THAT(said(), HasSubstr("b/1.png"));
}

// ---- CIFAR

std::string CifarRecords(const std::vector<std::vector<int>>& heads, int shade) {
  std::string bytes;
  for (const auto& head : heads) {
    for (const int label : head) bytes += static_cast<char>(label);
    for (int plane = 0; plane < 3; ++plane) bytes.append(1024, static_cast<char>(shade + plane));
  }
  return bytes;
}

TEST(LoadCifar, TenAndHundred) {
  const TempFolder folder;
  const auto ten = folder / "cifar-10-batches-bin";
  std::filesystem::create_directories(ten);
  for (int i = 1; i <= 5; ++i) {
    WriteFileAtomic(ten / fmt::format("data_batch_{}.bin", i), CifarRecords({{i}, {9}}, 10 * i));
  }
  WriteFileAtomic(ten / "test_batch.bin", CifarRecords({{3}}, 100));
  const ClipSet train = LoadClips(At(folder.path()));
  EXPECT_EQ(TargetsOf(train), (std::vector<int64_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9}));
  EXPECT_EQ(train.classes.size(), 10u);
  const auto pixel = train.clips[2].frames[0][5][7];
  EXPECT_TRUE(torch::equal(pixel, torch::tensor({20, 21, 22}, torch::kUInt8)));
  EXPECT_EQ(TargetsOf(LoadClips(At(ten, "cifar", "test"))), std::vector<int64_t>{3});
  EXPECT_EQ(LoadClips(At(ten, "cifar", "all")).clips.size(), 11u);

  const auto hundred = folder / "hundred";
  std::filesystem::create_directories(hundred);
  WriteFileAtomic(hundred / "train.bin", CifarRecords({{4, 77}, {5, 0}}, 1));
  WriteFileAtomic(hundred / "test.bin", CifarRecords({{6, 99}}, 1));
  EXPECT_EQ(TargetsOf(LoadClips(At(hundred))), (std::vector<int64_t>{77, 0}));
  EXPECT_EQ(LoadClips(At(hundred)).classes.size(), 100u);
}

TEST(LoadCifar, DamagedFilesAreNamed) {
  const TempFolder folder;
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(folder.path(), "cifar")); }),
              HasSubstr("holds no CIFAR-10"));
  const auto path = folder / "test_batch.bin";
  const auto said = [&] {
    return UserErrorOf([&] { LoadClips(At(folder.path(), "cifar", "test")); });
  };
  WriteFileAtomic(path, CifarRecords({{3}}, 1) + "x");
  EXPECT_THAT(said(), HasSubstr("test_batch.bin: 3074 bytes"));
  WriteFileAtomic(path, CifarRecords({{3}, {10}}, 1));
  EXPECT_THAT(said(), HasSubstr("label 10 of record 1"));
  WriteFileAtomic(path, CifarRecords({{3}}, 1));
  WriteFileAtomic(folder / "batches.meta.txt", "one\ntwo\n\n");
  EXPECT_THAT(said(), HasSubstr("2 class names"));
  EXPECT_THAT(UserErrorOf([&] { LoadClips(At(folder.path(), "cifar", "train")); }),
              HasSubstr("data_batch_1.bin"));
}

}  // namespace
}  // namespace v2r
