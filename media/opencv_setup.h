// Internal to media/: what every use of OpenCV needs first.
#pragma once

namespace v2r {

// Once a process: OpenCV and FFmpeg stop writing to stderr, errors come through our messages.
// OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL win when the user set them.
void SetUpOpenCv();

}  // namespace v2r
