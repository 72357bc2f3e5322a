#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <opencv2/videoio.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "media/container.h"
#include "media/film_encoder.h"
#include "media/opencv_setup.h"
#include "media/video.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> CodecLadder(const fs::path& path, bool rgb) {
  const std::string extension = path.extension().string();
  if (extension == ".mp4" && rgb) return {"avc1_rgb"};
  if (extension == ".mp4") return {"avc1", "mp4v"};
  if (extension == ".webm") return {"vp09", "vp80"};
  if (extension == ".avi") return {"MJPG"};
  if (extension == ".mkv") return {"FFV1"};
  ThrowUser("{}: unknown video extension '{}' (known: .mp4, .webm, .avi, .mkv)", path.string(),
            extension);
}

std::string Reason(int code) { return std::generic_category().message(code); }

// 0 or errno.
int Sync(const fs::path& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return errno;
  int code = fsync(fd) == 0 ? 0 : errno;
  if (close(fd) != 0 && code == 0) code = errno;
  return code;
}

bool DiskFullSimulated(const fs::path& path) {
  const char* part = std::getenv("V2R_SIMULATE_DISK_FULL");
  return part != nullptr && *part != '\0' && path.string().find(part) != std::string::npos;
}

}  // namespace

struct VideoWriter::Impl {
  fs::path path, beside;
  std::optional<FilmEncoder> film;
  std::string codec;
  int height = 0, width = 0;
  int64_t written = 0;
  bool closed = false;

  void Discard() {
    closed = true;
    film.reset();
    unlink(beside.c_str());
  }
  [[noreturn]] void Fail(const std::string& reason) {
    Discard();
    ThrowUser("{}: the video cannot be written: {}", path.string(), reason);
  }
};

VideoWriter::VideoWriter(const fs::path& path, double fps, int height, int width,
                         const VideoQuality& quality)
    : impl_(std::make_unique<Impl>()) {
  SetUpOpenCv();
  Impl& v = *impl_;
  v.path = path;
  v.height = height;
  v.width = width;
  const auto ladder = CodecLadder(path, quality.rgb);
  if (height <= 0 || width <= 0 || height % 2 != 0 || width % 2 != 0) {
    ThrowUser("{}: a video needs an even height and width, not {}x{}", path.string(), height,
              width);
  }
  if (!(fps > 0)) ThrowUser("{}: a video needs more than {} frames a second", path.string(), fps);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    ThrowUser("{}: the video cannot be written: folder {}: {}", path.string(), folder.string(),
              Reason(errno));
  }
  // Hidden, so that no data set takes an unfinished film for a clip; the extension tells FFmpeg the
  // container.
  static std::atomic<uint64_t> counter{0};
  v.beside = folder / fmt::format(".{}.tmp.{}.{}{}", path.stem().string(), getpid(),
                                  counter.fetch_add(1), path.extension().string());
  for (const auto& name : ladder) {
    if (!HasFilmCodec(name)) continue;
    v.codec = name;
    break;
  }
  if (v.codec.empty()) {
    v.Fail(fmt::format("this FFmpeg has none of the codecs {}", Join(ladder, ", ")));
  }
  try {
    v.film.emplace(v.beside, v.codec, fps, height, width, quality.crf);
  } catch (const FilmError& e) {
    v.Fail(e.what());
  }
  if (v.codec != ladder[0]) {
    LogWarn("{}: codec {} is not available, writing {}", path.string(), ladder[0], v.codec);
  }
}

VideoWriter::~VideoWriter() {
  if (!impl_->closed) impl_->Discard();
}

void VideoWriter::Write(ImageView frame) {
  Impl& v = *impl_;
  V2R_CHECK(!v.closed, "{}: written to after Close()", v.path.string());
  V2R_CHECK(frame.height == v.height && frame.width == v.width,
            "{}: frame is {}x{}, the video {}x{}", v.path.string(), frame.height, frame.width,
            v.height, v.width);
  try {
    v.film->Write(frame);
  } catch (const FilmError& e) {
    v.Fail(fmt::format("frame {}: {}", v.written, e.what()));
  }
  ++v.written;
}

void VideoWriter::Close() {
  Impl& v = *impl_;
  V2R_CHECK(!v.closed, "{}: closed twice", v.path.string());
  V2R_CHECK(v.written > 0, "{}: no frame was written", v.path.string());
  try {
    v.film->Finish();
  } catch (const FilmError& e) {
    v.Fail(e.what());
  }
  v.film.reset();
  if (DiskFullSimulated(v.path)) v.Fail(Reason(ENOSPC));
  if (const int code = Sync(v.beside, O_RDWR); code != 0) v.Fail(Reason(code));
  // FFmpeg swallows write errors (a full disk): only the finished file tells.
  const ContainerState container = InspectContainer(v.beside);
  if (!container.problem.empty()) v.Fail(container.problem + "; is the disk full?");
  cv::VideoCapture check;
  const bool opened = check.open(v.beside.string(), cv::CAP_FFMPEG);
  const auto frames = opened ? static_cast<int64_t>(check.get(cv::CAP_PROP_FRAME_COUNT)) : 0;
  check.release();
  if (!opened || frames < v.written - (container.exact_count ? 0 : 1)) {
    v.Fail(fmt::format("{} of {} frames reached the file; is the disk full?", frames, v.written));
  }
  if (rename(v.beside.c_str(), v.path.c_str()) != 0) v.Fail(Reason(errno));
  v.closed = true;
  const fs::path folder = v.path.has_parent_path() ? v.path.parent_path() : fs::path(".");
  const int code = Sync(folder, O_RDONLY | O_DIRECTORY);
  if (code != 0 && code != EINVAL && code != ENOTSUP) {
    ThrowUser("{}: cannot be synced: {}", folder.string(), Reason(code));
  }
}

const std::string& VideoWriter::codec() const { return impl_->codec; }

}  // namespace v2r
