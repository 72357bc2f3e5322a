#include "media/labelled.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/resize.h"
#include "core/text.h"
#include "core/zip.h"
#include "media/folder.h"
#include "media/npz.h"
#include "media/video.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCifarSide = 32, kCifarPixels = kCifarSide * kCifarSide;
constexpr int64_t kMaxClasses = 1 << 20;

void RequireMemory(int64_t count, const DataOptions& options) {
  const double gib = static_cast<double>(count) * 3 *
                     static_cast<double>(options.frame_size * options.frame_size) / (1 << 30);
  if (options.max_gib > 0 && gib > options.max_gib) {
    ThrowUser(
        "{}: {} pictures need {:.2f} GiB, more than data.max_gib = {}: raise it, lower the size or "
        "set data.max_clips",
        options.path, count, gib, options.max_gib);
  }
}

// targets empty: none. lengths: pictures of each clip, in order.
ClipSet AsClips(const torch::Tensor& pictures, const std::vector<int64_t>& targets,
                const std::vector<std::string>& names, std::vector<std::string> classes,
                const std::vector<int64_t>& lengths) {
  ClipSet set;
  set.classes = std::move(classes);
  set.clips.reserve(names.size());
  const auto each = pictures.split_with_sizes(lengths);
  for (size_t i = 0; i < names.size(); ++i) {
    Clip clip{names[i], "good", each[i]};
    if (!targets.empty()) clip.target = targets[i];
    set.clips.push_back(std::move(clip));
  }
  return set;
}

// ---- folders of classes

std::vector<fs::path> Sorted(const fs::path& folder) {
  std::vector<fs::path> entries = VisibleEntries(folder);
  std::sort(entries.begin(), entries.end(),
            [](const fs::path& a, const fs::path& b) { return a.string() < b.string(); });
  return entries;
}

// As os.walk with sorted names: the files of a folder before those of the folders in it.
void Collect(const fs::path& folder, std::vector<fs::path>& pictures) {
  const auto entries = Sorted(folder);
  for (const auto& entry : entries) {
    if (IsPictureFile(entry) && fs::is_regular_file(entry)) pictures.push_back(entry);
  }
  for (const auto& entry : entries) {
    if (fs::is_directory(entry) && !fs::is_symlink(entry)) Collect(entry, pictures);
  }
}

// The folders that hold the classes' folders.
std::vector<fs::path> Parts(const fs::path& root, const std::string& split) {
  std::vector<std::string> names;
  for (const auto& entry : Sorted(root)) {
    if (fs::is_directory(entry)) names.push_back(entry.filename().string());
  }
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const std::string test = has("test") ? "test" : "val";
  if (has("train") && has(test.c_str()) && names.size() == 2) {
    if (split == "train") return {root / "train"};
    if (split == "test") return {root / test};
    return {root / "train", root / test};
  }
  if (split == "test") {
    ThrowUser("{}: data.split=test, but the folder has no parts train and test (it has {})",
              root.string(), names.empty() ? "no folders" : Join(names, ", "));
  }
  return {root};
}

// ---- CIFAR

std::optional<fs::path> CifarFolder(const fs::path& path) {
  for (const fs::path& folder : {path, path / "cifar-10-batches-bin", path / "cifar-100-binary"}) {
    std::error_code error;
    if (fs::exists(folder / "data_batch_1.bin", error) ||
        fs::exists(folder / "test_batch.bin", error) ||
        (fs::exists(folder / "train.bin", error) && fs::exists(folder / "test.bin", error))) {
      return folder;
    }
  }
  return std::nullopt;
}

std::vector<std::string> LinesOf(const fs::path& path) {
  std::vector<std::string> lines;
  for (const std::string& line : Split(ReadFile(path), '\n')) {
    if (!Trim(line).empty()) lines.emplace_back(Trim(line));
  }
  return lines;
}

// ---- .npz

class NpzPictures {
 public:
  explicit NpzPictures(const std::string& path) : path_(path), zip_(path) {}

  bool Has(const std::string& name) const { return zip_.Has(name + ".npy"); }
  NpyArray Read(const std::string& name) const {
    return ParseNpy(zip_.Read(name + ".npy"), Where(name));
  }
  std::string Where(const std::string& name) const { return path_ + ": array '" + name + "'"; }
  std::string Names() const { return Join(zip_.names(), ", "); }

  // uint8 [N,H,W,3]
  torch::Tensor Pictures(const std::string& name) const {
    NpyArray array = Read(name);
    const std::string where = Where(name);
    if (array.descr[1] != 'u' || array.ItemSize() != 1) {
      ThrowUser("{}: pictures are uint8 ('|u1'), this is '{}'", where, array.descr);
    }
    const auto& s = array.shape;
    const auto channels = [](int64_t size) { return size == 1 || size == 3; };
    const bool last = s.size() == 4 && channels(s[3]), first = s.size() == 4 && channels(s[1]);
    if (s.size() != 3 && !last && !first) {
      ThrowUser("{}: shape ({}) is neither [N,H,W,C] nor [N,C,H,W] with C = 1 or 3, nor [N,H,W]",
                where, fmt::join(s, ", "));
    }
    if (last && first) {
      ThrowUser("{}: shape ({}) could be [N,H,W,C] or [N,C,H,W]", where, fmt::join(s, ", "));
    }
    if (array.numel() == 0) ThrowUser("{}: shape ({}): no pictures", where, fmt::join(s, ", "));
    torch::Tensor x = torch::from_blob(array.bytes.data(), s, torch::kUInt8);
    if (s.size() == 3) x = x.unsqueeze(3);
    if (first) x = x.permute({0, 2, 3, 1});
    if (x.size(3) == 1) x = x.expand({-1, -1, -1, 3});
    return x.contiguous().clone();
  }

  // int64 [count]: any integers.
  torch::Tensor Integers(const std::string& name, int64_t count, const char* what) const {
    NpyArray array = Read(name);
    const std::string where = Where(name);
    const std::string type = array.descr.substr(1);
    static const std::map<std::string, torch::ScalarType> types = {
        {"u1", torch::kUInt8},  {"i1", torch::kInt8},  {"i2", torch::kInt16},
        {"i4", torch::kInt32},  {"i8", torch::kInt64}, {"u2", torch::kUInt16},
        {"u4", torch::kUInt32}, {"u8", torch::kUInt64}};
    const auto known = types.find(type);
    if (known == types.end()) {
      ThrowUser("{}: {}s are integers, this is '{}'", where, what, array.descr);
    }
    const auto& s = array.shape;
    const bool flat = s.size() == 1 || (s.size() == 2 && s[1] == 1);
    if (!flat || s[0] != count) {
      ThrowUser("{}: shape ({}), one {} for each of {} pictures is wanted", where,
                fmt::join(s, ", "), what, count);
    }
    return torch::from_blob(array.bytes.data(), {count}, known->second).to(torch::kInt64).clone();
  }

  // int64 [count], of 0 .. kMaxClasses - 1
  torch::Tensor Targets(const std::string& name, int64_t count) const {
    const torch::Tensor y = Integers(name, count, "label");
    const auto wrong = (y < 0).logical_or(y >= kMaxClasses).nonzero();
    if (wrong.size(0) > 0) {
      const int64_t at = wrong[0].item<int64_t>();
      ThrowUser("{}: label {} of picture {} is not in 0 .. {}", Where(name), y[at].item<int64_t>(),
                at, kMaxClasses - 1);
    }
    return y;
  }

  std::vector<std::string> Classes() const {
    const NpyArray array = Read("classes");
    if (array.descr[1] != 'S' || array.shape.size() != 1) {
      ThrowUser(
          "{}: class names are a list of byte strings (numpy '|S'), this is '{}' of shape "
          "({})",
          Where("classes"), array.descr, fmt::join(array.shape, ", "));
    }
    const auto size = static_cast<size_t>(array.ItemSize());
    std::vector<std::string> names;
    for (size_t at = 0; at < array.bytes.size(); at += size) {
      names.emplace_back(array.bytes.substr(at, size).c_str());
    }
    return names;
  }

 private:
  const std::string path_;
  const ZipReader zip_;
};

}  // namespace

std::string ResolveFormat(const DataOptions& options) {
  if (options.format != "auto") return options.format;
  const fs::path path = options.path;
  std::error_code error;
  if (HasExtension(path, {".npz"}) && !fs::is_directory(path, error)) return "npz";
  if (fs::is_directory(path, error) && CifarFolder(path)) return "cifar";
  return "clips";
}

ClipSet LabelledPictures(const torch::Tensor& pictures, const torch::Tensor& targets,
                         std::vector<std::string> classes, const DataOptions& options,
                         const torch::Tensor& clips) {
  const int64_t count = pictures.size(0);
  const auto target_of = [&](int64_t i) {
    return targets.defined() ? targets.const_data_ptr<int64_t>()[i] : -1;
  };
  const auto same_clip = [&](int64_t a, int64_t b) {
    return clips.defined() &&
           clips.const_data_ptr<int64_t>()[a] == clips.const_data_ptr<int64_t>()[b];
  };
  std::vector<int64_t> kept, labels, lengths;
  std::vector<std::string> names;
  std::map<int64_t, int64_t> taken;
  for (int64_t i = 0, end = 0; i < count; i = end) {
    const int64_t target = target_of(i);
    for (end = i + 1; end < count && same_clip(i, end); ++end) {
      if (target_of(end) != target) {
        ThrowUser("{}: pictures {} and {} are of one clip, their labels are {} and {}",
                  options.path, i, end, target, target_of(end));
      }
    }
    if (options.max_clips > 0 && taken[target]++ >= options.max_clips) continue;
    for (int64_t k = i; k < end; ++k) kept.push_back(k);
    labels.push_back(target);
    lengths.push_back(end - i);
    names.push_back(fmt::format("{:06d}", i));
  }
  RequireMemory(static_cast<int64_t>(kept.size()), options);
  torch::Tensor small = pictures;
  if (static_cast<int64_t>(kept.size()) < count)
    small = pictures.index_select(0, torch::tensor(kept));
  constexpr int64_t kPart = 1024;
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& part : small.split(kPart)) {
    PollInterrupt();
    parts.push_back(ResizeFrames(part, options.frame_size, options.frame_size, options.resize));
  }
  if (classes.empty() && targets.defined()) {
    const int64_t most = targets.max().item<int64_t>();
    for (int64_t k = 0; k <= most; ++k) classes.push_back(std::to_string(k));
  }
  return AsClips(torch::cat(parts), labels, names, std::move(classes), lengths);
}

ClipSet LoadImageFolder(const DataOptions& options) {
  const fs::path root = options.path;
  if (!fs::is_directory(root)) ThrowUser("{}: there is no such folder of classes", root.string());
  std::vector<std::string> classes;
  std::vector<fs::path> files;
  std::vector<int64_t> targets;
  for (const fs::path& part : Parts(root, options.split)) {
    for (const fs::path& entry : Sorted(part)) {
      if (IsPictureFile(entry)) {
        ThrowUser("{}: a picture beside the folders of the classes: which class is it?",
                  entry.string());
      }
      if (!fs::is_directory(entry)) continue;
      const std::string name = entry.filename().string();
      const auto known = std::find(classes.begin(), classes.end(), name);
      const auto target = static_cast<int64_t>(known - classes.begin());
      if (known == classes.end()) classes.push_back(name);
      std::vector<fs::path> pictures;
      Collect(entry, pictures);
      if (pictures.empty())
        ThrowUser("{}: the class has no picture (png jpg jpeg bmp)", entry.string());
      const auto most =
          options.max_clips > 0 ? static_cast<size_t>(options.max_clips) : pictures.size();
      pictures.resize(std::min(most, pictures.size()));
      for (fs::path& picture : pictures) {
        files.push_back(std::move(picture));
        targets.push_back(target);
      }
    }
  }
  if (files.empty()) ThrowUser("{}: holds no folder of pictures", root.string());
  RequireMemory(static_cast<int64_t>(files.size()), options);
  const int64_t size = options.frame_size;
  auto pictures = torch::empty({static_cast<int64_t>(files.size()), size, size, 3}, torch::kUInt8);
  std::vector<std::string> names;
  Progress progress("loading pictures", static_cast<int64_t>(files.size()));
  for (size_t i = 0; i < files.size(); ++i) {
    PollInterrupt();
    Image image = ReadImage(files[i]);
    const auto frame =
        torch::from_blob(image.pixels.data(), {1, image.height, image.width, 3}, torch::kUInt8);
    pictures[static_cast<int64_t>(i)].copy_(ResizeFrames(frame, size, size, options.resize)[0]);
    names.push_back(files[i].lexically_relative(root).generic_string());
    progress.Update(static_cast<int64_t>(i + 1), names.back());
  }
  return AsClips(pictures, targets, names, std::move(classes),
                 std::vector<int64_t>(files.size(), 1));
}

ClipSet LoadCifar(const DataOptions& options) {
  const auto folder = CifarFolder(options.path);
  if (!folder) {
    ThrowUser("{}: holds no CIFAR-10 (data_batch_1.bin ...) and no CIFAR-100 (train.bin, test.bin)",
              options.path);
  }
  const bool hundred = fs::exists(*folder / "train.bin");
  std::vector<std::string> files;
  if (options.split != "test") {
    if (hundred) {
      files.emplace_back("train.bin");
    } else {
      for (int i = 1; i <= 5; ++i) files.push_back(fmt::format("data_batch_{}.bin", i));
    }
  }
  if (options.split != "train") files.emplace_back(hundred ? "test.bin" : "test_batch.bin");
  const fs::path names = *folder / (hundred ? "fine_label_names.txt" : "batches.meta.txt");
  const int64_t classes = hundred ? 100 : 10, head = hundred ? 2 : 1;
  const int64_t record = head + 3 * kCifarPixels;
  std::vector<torch::Tensor> pictures;
  std::vector<int64_t> targets;
  for (const std::string& name : files) {
    const fs::path path = *folder / name;
    std::string bytes = ReadFile(path);
    const auto size = static_cast<int64_t>(bytes.size());
    if (size == 0 || size % record != 0) {
      ThrowUser("{}: {} bytes are no whole number of records of {} bytes: cut short?",
                path.string(), size, record);
    }
    const auto rows = torch::from_blob(bytes.data(), {size / record, record}, torch::kUInt8);
    const auto planes = rows.slice(1, head).reshape({-1, 3, kCifarSide, kCifarSide});
    pictures.push_back(planes.permute({0, 2, 3, 1}).contiguous());
    for (int64_t i = 0; i < size / record; ++i) {
      const auto target =
          static_cast<int64_t>(static_cast<unsigned char>(bytes[i * record + head - 1]));
      if (target >= classes) {
        ThrowUser("{}: label {} of record {} is not in 0 .. {}", path.string(), target, i,
                  classes - 1);
      }
      targets.push_back(target);
    }
  }
  std::vector<std::string> class_names;
  if (fs::exists(names)) {
    class_names = LinesOf(names);
    if (static_cast<int64_t>(class_names.size()) != classes) {
      ThrowUser("{}: {} class names, {} are wanted", names.string(), class_names.size(), classes);
    }
  } else {
    for (int64_t k = 0; k < classes; ++k) class_names.push_back(std::to_string(k));
  }
  return LabelledPictures(torch::cat(pictures), torch::tensor(targets), class_names, options);
}

ClipSet LoadNpz(const DataOptions& options) {
  const NpzPictures npz(options.path);
  struct Arrays {
    std::string pictures, labels, clips;
  };
  std::vector<Arrays> arrays;
  const auto add = [&](const std::string& suffix) {
    for (const auto& [x, y] : {std::pair{"x", "y"}, std::pair{"images", "labels"}}) {
      if (!npz.Has(x + suffix)) continue;
      arrays.push_back({x + suffix, y + suffix, "clip" + suffix});
      return;
    }
  };
  const bool parts =
      npz.Has("x_train") || npz.Has("x_test") || npz.Has("images_train") || npz.Has("images_test");
  if (parts && options.split != "test") add("_train");
  if (parts && options.split != "train") add("_test");
  if (!parts && options.split != "test") add("");
  if (arrays.empty()) {
    ThrowUser(
        "{}: no pictures for data.split={}: arrays x or images, or x_train and x_test, are wanted "
        "(it holds {})",
        options.path, options.split, npz.Names());
  }
  std::vector<torch::Tensor> pictures, targets, clips;
  int64_t clips_before = 0;
  for (const auto& [x, y, clip] : arrays) {
    pictures.push_back(npz.Pictures(x));
    if (pictures.back().sizes().slice(1) != pictures.front().sizes().slice(1)) {
      ThrowUser("{}: pictures of another size than those of '{}'", npz.Where(x),
                arrays[0].pictures);
    }
    if (npz.Has(y)) targets.push_back(npz.Targets(y, pictures.back().size(0)));
    if (npz.Has(clip)) {
      // Numbers of one part say nothing about those of the other.
      const torch::Tensor ids = npz.Integers(clip, pictures.back().size(0), "clip");
      clips.push_back(ids - ids.min() + clips_before);
      clips_before = clips.back().max().item<int64_t>() + 1;
    }
  }
  if (!targets.empty() && targets.size() != pictures.size()) {
    ThrowUser("{}: only one of its parts has labels", options.path);
  }
  if (!clips.empty() && clips.size() != pictures.size()) {
    ThrowUser("{}: only one of its parts says which pictures are one clip", options.path);
  }
  std::vector<std::string> classes;
  torch::Tensor target;
  if (!targets.empty()) {
    target = torch::cat(targets);
    if (npz.Has("classes")) classes = npz.Classes();
    const int64_t most = target.max().item<int64_t>();
    if (!classes.empty() && most >= static_cast<int64_t>(classes.size())) {
      ThrowUser("{}: label {}, but 'classes' names {} only", options.path, most, classes.size());
    }
  }
  return LabelledPictures(torch::cat(pictures), target, classes, options,
                          clips.empty() ? torch::Tensor() : torch::cat(clips));
}

}  // namespace v2r
