#include "media/clips.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <set>
#include <system_error>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/resize.h"
#include "core/text.h"
#include "media/folder.h"
#include "media/labelled.h"
#include "media/manifest.h"
#include "media/video.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

// One clip before it is decoded.
struct Source {
  fs::path path;
  std::string name;
  std::string label;
  std::vector<fs::path> pictures;  // a frame folder; empty: `path` is a video
  double fps = 0;                  // from the manifest
  int64_t stated_frames = 0;       // from the manifest
  ManifestRender render;           // from the manifest
};

// The data set does not fit into max_gib: ends the loading, unlike a broken clip.
struct MemorySpent {};

bool IsVideo(const fs::path& path) {
  return HasExtension(path, {".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg"});
}

// Runs of digits compare by value, everything else by byte.
bool NaturalLess(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      size_t from_a = i, from_b = j;
      while (from_a < a.size() && a[from_a] == '0') ++from_a;
      while (from_b < b.size() && b[from_b] == '0') ++from_b;
      for (i = from_a; i < a.size() && digit(a[i]);) ++i;
      for (j = from_b; j < b.size() && digit(b[j]);) ++j;
      const std::string number_a = a.substr(from_a, i - from_a),
                        number_b = b.substr(from_b, j - from_b);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
    } else {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i, ++j;
    }
  }
  if (i < a.size() || j < b.size()) return j < b.size();
  return a < b;
}

std::string LabelOf(const fs::path& relative) {
  const auto& labels = ClipLabels();
  std::string label = "good";
  for (const auto& part : relative) {
    if (std::find(labels.begin(), labels.end(), part.string()) != labels.end())
      label = part.string();
  }
  return label;
}

// The entries of a folder without hidden ones, in natural order.
std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries = VisibleEntries(folder);
  std::sort(entries.begin(), entries.end(), [](const fs::path& a, const fs::path& b) {
    return NaturalLess(a.string(), b.string());
  });
  return entries;
}

std::vector<fs::path> PicturesIn(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const auto& entry : Entries(folder)) {
    if (IsPictureFile(entry) && !fs::is_directory(entry)) pictures.push_back(entry);
  }
  return pictures;
}

// Every clip under `folder`; `seen` keeps a linked folder from being read twice.
void Scan(const fs::path& root, const fs::path& folder, std::set<fs::path>& seen,
          std::vector<Source>& sources) {
  std::error_code error;
  if (!seen.insert(fs::canonical(folder, error)).second) return;
  std::vector<fs::path> pictures;
  bool has_video = false;
  for (const auto& entry : Entries(folder)) {
    const fs::path relative = entry.lexically_relative(root);
    if (fs::is_directory(entry, error)) {
      Scan(root, entry, seen, sources);
    } else if (IsVideo(entry)) {
      sources.push_back({entry, relative.generic_string(), LabelOf(relative), {}});
      has_video = true;
    } else if (IsPictureFile(entry)) {
      pictures.push_back(entry);
    }
  }
  if (pictures.empty() || has_video) return;
  const fs::path relative = folder == root ? folder.filename() : folder.lexically_relative(root);
  sources.push_back({folder, relative.generic_string(), LabelOf(relative), std::move(pictures)});
}

std::vector<Source> Listed(const fs::path& folder, const fs::path& manifest_path,
                           std::vector<std::string>& skipped) {
  std::vector<Source> sources;
  const Manifest manifest = ReadManifest(manifest_path);
  for (const ManifestClip& clip : manifest.clips) {
    Source source{folder / clip.file, clip.file,   clip.label,     {},
                  clip.fps,           clip.frames, manifest.render};
    if (source.label.empty()) source.label = LabelOf(clip.file);
    std::error_code error;
    if (fs::is_directory(source.path, error)) {
      source.pictures = PicturesIn(source.path);
      if (source.pictures.empty()) {
        skipped.push_back(clip.file + ": the folder holds no picture");
        continue;
      }
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<Source> FindSources(const fs::path& path, std::vector<std::string>& skipped) {
  std::error_code error;
  if (path.empty()) ThrowUser("no data set given: set data.path to a folder of videos");
  if (!fs::exists(path, error)) ThrowUser("{}: there is no such folder or video", path.string());
  if (!fs::is_directory(path, error)) {
    return {{path, path.filename().string(), LabelOf(path.filename()), {}}};
  }
  if (const fs::path manifest = path / "manifest.json"; fs::exists(manifest, error)) {
    return Listed(path, manifest, skipped);
  }
  std::vector<Source> sources;
  std::set<fs::path> seen;
  fs::path root = path.lexically_normal();
  if (!root.has_filename()) root = root.parent_path();  // "videos/" -> "videos"
  Scan(root, root, seen, sources);
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return NaturalLess(a.name, b.name); });
  return sources;
}

// Gathers the kept frames of one clip, already small.
class FrameStore {
 public:
  FrameStore(const DataOptions& options, const ManifestRender& render, double bytes_left)
      : options_(options), render_(render), bytes_left_(bytes_left) {}

  // False once max_frames are there.
  bool Full() const { return options_.max_frames > 0 && kept_ >= options_.max_frames; }
  bool Wanted(int64_t index) const { return index % options_.stride == 0; }
  int64_t kept() const { return kept_; }
  void Add(const Image& image) {
    const auto frame_bytes = static_cast<double>(options_.frame_size * options_.frame_size * 3);
    if (frame_bytes * static_cast<double>(kept_ + 1) > bytes_left_) throw MemorySpent();
    if (!waiting_.empty() &&
        (waiting_[0].height != image.height || waiting_[0].width != image.width))
      Flush();
    waiting_.push_back(image);
    ++kept_;
    if (waiting_.size() == 16) Flush();
  }
  torch::Tensor Take() {
    Flush();
    return torch::cat(chunks_);
  }

 private:
  void Flush() {
    if (waiting_.empty()) return;
    const int64_t height = waiting_[0].height, width = waiting_[0].width;
    auto raw =
        torch::empty({static_cast<int64_t>(waiting_.size()), height, width, 3}, torch::kUInt8);
    auto* to = raw.data_ptr<uint8_t>();
    for (const Image& image : waiting_) {
      std::memcpy(to, image.pixels.data(), image.pixels.size());
      to += image.pixels.size();
    }
    if (render_.size > 0) {
      const int64_t drawn = render_.size * render_.supersample;
      raw = ResizeFrames(ResizeFrames(raw, drawn, drawn, "nearest"), render_.size, render_.size,
                         "area");
    }
    chunks_.push_back(ResizeFrames(raw, options_.frame_size, options_.frame_size, options_.resize));
    waiting_.clear();
  }

  const DataOptions& options_;
  const ManifestRender& render_;
  double bytes_left_;
  int64_t kept_ = 0;
  std::vector<Image> waiting_;
  std::vector<torch::Tensor> chunks_;
};

void DecodeVideo(const Source& source, FrameStore& store, double& fps) {
  VideoReader reader(source.path);
  if (fps == 0) fps = reader.fps();
  Image image;
  int64_t index = 0;
  while (!store.Full()) {
    if (!(store.Wanted(index) ? reader.Next(image) : reader.Skip())) {
      if (index < source.stated_frames) {
        ThrowUser("{}: has {} frames, manifest.json says {}", source.path.string(), index,
                  source.stated_frames);
      }
      return;
    }
    if (store.Wanted(index)) store.Add(image);
    ++index;
  }
}

void DecodePictures(const Source& source, FrameStore& store) {
  const auto count = static_cast<int64_t>(source.pictures.size());
  if (count < source.stated_frames) {
    ThrowUser("{}: has {} pictures, manifest.json says {}", source.path.string(), count,
              source.stated_frames);
  }
  for (int64_t index = 0; index < count && !store.Full(); ++index) {
    if (!store.Wanted(index)) continue;
    try {
      store.Add(ReadImage(source.pictures[index]));
    } catch (const UserError& e) {
      ThrowUser("frame {}: {}", index, e.what());
    }
  }
}

// UserError when the clip is broken or too short.
Clip Decode(const Source& source, const DataOptions& options, double bytes_left) {
  Clip clip{source.name, source.label, {}, source.fps};
  FrameStore store(options, source.render, bytes_left);
  if (source.pictures.empty()) {
    DecodeVideo(source, store, clip.fps);
  } else {
    DecodePictures(source, store);
  }
  if (store.kept() < options.min_frames) {
    ThrowUser("has {} frames at stride {}, data.min_frames is {}", store.kept(), options.stride,
              options.min_frames);
  }
  clip.frames = store.Take();
  clip.fps /= static_cast<double>(options.stride);
  return clip;
}

}  // namespace

std::vector<const Clip*> ClipSet::WithLabel(const std::string& label) const {
  std::vector<const Clip*> found;
  for (const Clip& clip : clips) {
    if (clip.label == label) found.push_back(&clip);
  }
  return found;
}

int64_t ClipSet::TotalFrames() const {
  int64_t total = 0;
  for (const Clip& clip : clips) total += clip.frames.size(0);
  return total;
}

ClipSet LoadClips(const DataOptions& options) {
  const std::string format = ResolveFormat(options);
  if (format == "images") return LoadImageFolder(options);
  if (format == "cifar") return LoadCifar(options);
  if (format == "npz") return LoadNpz(options);
  ClipSet set;
  const auto sources = FindSources(options.path, set.skipped);
  if (sources.empty() && set.skipped.empty()) {
    ThrowUser(
        "{}: holds no video (mp4 avi mkv webm mov m4v mpg mpeg) and no folder of pictures (png jpg "
        "bmp)",
        options.path);
  }
  const double allowed = options.max_gib > 0 ? options.max_gib * 1024 * 1024 * 1024 : 1e300;
  double used = 0;
  std::map<std::string, int64_t> taken;
  Progress progress("loading clips", static_cast<int64_t>(sources.size()));
  for (size_t i = 0; i < sources.size(); ++i) {
    const Source& source = sources[i];
    PollInterrupt();
    if (options.max_clips > 0 && taken[source.label] >= options.max_clips) continue;
    try {
      set.clips.push_back(Decode(source, options, allowed - used));
      used += static_cast<double>(set.clips.back().frames.nbytes());
      ++taken[source.label];
    } catch (const MemorySpent&) {
      ThrowUser(
          "{}: the frames need more than data.max_gib = {} GiB ({} of {} clips fit): raise it, or "
          "lower "
          "data.frame_size, raise data.stride, set data.max_frames or data.max_clips",
          options.path, options.max_gib, i, sources.size());
    } catch (const UserError& e) {
      std::string reason = e.what();
      if (const std::string path = source.path.string() + ": "; reason.starts_with(path))
        reason.erase(0, path.size());
      set.skipped.push_back(source.name + ": " + reason);
      LogWarn("skipped clip {}", set.skipped.back());
    }
    progress.Update(static_cast<int64_t>(i + 1), source.name);
  }
  if (set.clips.empty()) {
    ThrowUser("{}: no usable clip; {} skipped, the first: {}", options.path, set.skipped.size(),
              set.skipped.front());
  }
  return set;
}

}  // namespace v2r
