#include "media/video.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <system_error>

#include "core/error.h"
#include "media/container.h"
#include "media/opencv_setup.h"

namespace v2r {

namespace fs = std::filesystem;

void SetUpOpenCv() {
  static const bool once = [] {
    if (std::getenv("OPENCV_LOG_LEVEL") == nullptr) {
      cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    }
    setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);  // AV_LOG_QUIET
    return true;
  }();
  static_cast<void>(once);
}

struct VideoReader::Impl {
  fs::path path;
  ContainerState container;
  cv::VideoCapture capture;
  bool darkened = false;  // OpenCV's conversion takes a level from each colour
  cv::Mat frame;
  bool pending = false;  // `frame` was decoded and not handed out yet
  bool ended = false;
  double fps = 0;
  int64_t hint = 0;
  int64_t decoded = 0;

  // Decodes the next picture; `retrieve` false leaves it out. False at the end of what can be
  // decoded.
  bool Advance(bool retrieve) {
    if (ended) return false;
    bool good = false;
    try {
      good = capture.grab() && (!retrieve || (capture.retrieve(frame) && !frame.empty()));
    } catch (const cv::Exception& e) {
      ThrowUser("{}: frame {} cannot be decoded: {}", path.string(), decoded, e.err);
    }
    if (good) {
      ++decoded;
    } else {
      ended = true;
    }
    return good;
  }

  // At the end of decoding: was that the end of the film?
  void CheckEnd() const {
    if (!container.problem.empty() && (hint <= 0 || decoded < hint)) {
      ThrowUser("{}: decoding stops at frame {}{}: {}", path.string(), decoded,
                hint > 0 ? fmt::format(" of {}", hint) : "", container.problem);
    }
    // Rounding of times and frames that only begin inside an edit make up for the slack.
    const auto counted = static_cast<double>(container.pictures > 0 ? container.pictures : hint);
    const auto stated = static_cast<int64_t>(counted * container.shown_share);
    if (container.exact_count && decoded + std::max<int64_t>(2, stated / 10) < stated) {
      ThrowUser("{}: decoding stops at frame {} of {}: the film is damaged there", path.string(),
                decoded, stated);
    }
  }
};

VideoReader::VideoReader(const fs::path& path) : impl_(std::make_unique<Impl>()) {
  SetUpOpenCv();
  Impl& v = *impl_;
  v.path = path;
  std::error_code error;
  if (!fs::exists(path, error)) ThrowUser("{}: there is no such video", path.string());
  if (!fs::is_regular_file(path, error)) ThrowUser("{}: is not a video file", path.string());
  if (fs::file_size(path, error) == 0) ThrowUser("{}: the file is empty (0 bytes)", path.string());
  v.container = InspectContainer(path);
  bool opened = false;
  std::string reason;
  try {
    opened = v.capture.open(path.string(), cv::CAP_FFMPEG);
  } catch (const cv::Exception& e) {
    reason = e.err;
  }
  if (!opened) {
    if (reason.empty()) reason = v.container.problem;
    ThrowUser("{}: cannot be opened as a video: {}", path.string(),
              reason.empty() ? "no format or codec that FFmpeg knows" : reason);
  }
  // libswscale's fast YUV 4:2:0 conversion, which OpenCV 4.6 takes, rounds down: 1.0, 1.5, 1.0
  // levels too dark on average against its accurate one.
  const auto format = static_cast<int>(v.capture.get(cv::CAP_PROP_CODEC_PIXEL_FORMAT));
  v.darkened = format == cv::VideoWriter::fourcc('I', '4', '2', '0');
  const double fps = v.capture.get(cv::CAP_PROP_FPS);
  v.fps = std::isfinite(fps) && fps > 0 ? fps : 0;
  const double count = v.capture.get(cv::CAP_PROP_FRAME_COUNT);
  v.hint = std::isfinite(count) && count > 0 && count < 1e12 ? static_cast<int64_t>(count) : 0;
  if (!v.Advance(true)) {
    ThrowUser("{}: has no frame that can be decoded{}{}", path.string(),
              v.container.problem.empty() ? "" : ": ", v.container.problem);
  }
  v.pending = true;
}

VideoReader::~VideoReader() = default;
double VideoReader::fps() const { return impl_->fps; }
int64_t VideoReader::frame_count_hint() const { return impl_->hint; }

bool VideoReader::Next(Image& frame) {
  Impl& v = *impl_;
  if (!v.pending && !v.Advance(true)) {
    v.CheckEnd();
    return false;
  }
  v.pending = false;
  V2R_CHECK(v.frame.type() == CV_8UC3, "{}: OpenCV handed out type {}", v.path.string(),
            v.frame.type());
  if (frame.height != v.frame.rows || frame.width != v.frame.cols) {
    frame = Image(v.frame.rows, v.frame.cols);
  }
  cv::Mat rgb(v.frame.rows, v.frame.cols, CV_8UC3, frame.pixels.data());
  cv::cvtColor(v.frame, rgb, cv::COLOR_BGR2RGB);
  if (v.darkened) rgb += cv::Scalar::all(1);
  return true;
}

bool VideoReader::Skip() {
  Impl& v = *impl_;
  if (v.pending) {
    v.pending = false;
    return true;
  }
  if (v.Advance(false)) return true;
  v.CheckEnd();
  return false;
}

}  // namespace v2r
