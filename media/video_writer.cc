#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "media/container.h"
#include "media/opencv_setup.h"
#include "media/video.h"

namespace v2r {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> CodecLadder(const fs::path& path) {
  const std::string extension = path.extension().string();
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

// OpenCV prints a line past its own log for every .webm: WebM knows no codec tags. While this
// lives, C's stderr goes nowhere (our log holds its own handle).
class QuietStderr {
 public:
  QuietStderr() : lock_(Mutex()), before_(stderr), nowhere_(std::fopen("/dev/null", "w")) {
    if (nowhere_ != nullptr) stderr = nowhere_;
  }
  ~QuietStderr() {
    stderr = before_;
    if (nowhere_ != nullptr) std::fclose(nowhere_);
  }
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;

 private:
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  const std::lock_guard<std::mutex> lock_;
  FILE* before_;
  FILE* nowhere_;
};

bool OpenQuietly(cv::VideoWriter& writer, const fs::path& path, const std::string& codec,
                 double fps, cv::Size size) {
  std::optional<QuietStderr> quiet;
  if (path.extension() == ".webm") quiet.emplace();
  try {
    return writer.open(path.string(), cv::CAP_FFMPEG,
                       cv::VideoWriter::fourcc(codec[0], codec[1], codec[2], codec[3]), fps, size,
                       true);
  } catch (const cv::Exception&) {
    return false;
  }
}

}  // namespace

struct VideoWriter::Impl {
  fs::path path, beside;
  cv::VideoWriter writer;
  cv::Mat bgr;
  std::string codec;
  // libswscale's fast conversion from BGR to YUV 4:2:0, which OpenCV 4.6 takes, rounds down:
  // blue 1.6 and red 1.4 levels too dark on average against its accurate one.
  bool rounds_down = false;
  int height = 0, width = 0;
  int64_t written = 0;
  bool closed = false;

  void Discard() {
    closed = true;
    writer.release();
    unlink(beside.c_str());
  }
  [[noreturn]] void Fail(const std::string& reason) {
    Discard();
    ThrowUser("{}: the video cannot be written: {}", path.string(), reason);
  }
};

VideoWriter::VideoWriter(const fs::path& path, double fps, int height, int width)
    : impl_(std::make_unique<Impl>()) {
  SetUpOpenCv();
  Impl& v = *impl_;
  v.path = path;
  v.height = height;
  v.width = width;
  const auto ladder = CodecLadder(path);
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
    if (OpenQuietly(v.writer, v.beside, name, fps, cv::Size(width, height))) {
      v.codec = name;
      break;
    }
  }
  if (v.codec.empty()) {
    v.Fail(
        fmt::format("none of the codecs {} can be opened: is FFmpeg with these encoders installed?",
                    Join(ladder, ", ")));
  }
  v.rounds_down = v.codec != "FFV1" && v.codec != "MJPG";
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
  const cv::Mat rgb(frame.height, frame.width, CV_8UC3, const_cast<uint8_t*>(frame.data));
  try {
    cv::cvtColor(rgb, v.bgr, cv::COLOR_RGB2BGR);
    if (v.rounds_down) v.bgr += cv::Scalar(2, 0, 1);
    v.writer.write(v.bgr);
  } catch (const cv::Exception& e) {
    v.Fail(fmt::format("frame {}: {}", v.written, e.err));
  }
  ++v.written;
}

void VideoWriter::Close() {
  Impl& v = *impl_;
  V2R_CHECK(!v.closed, "{}: closed twice", v.path.string());
  V2R_CHECK(v.written > 0, "{}: no frame was written", v.path.string());
  v.writer.release();
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
