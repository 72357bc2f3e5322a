// Internal to media/: what every use of OpenCV needs first.
#pragma once

namespace v2r {

// Once a process: OpenCV and FFmpeg stop writing to stderr (errors come through our messages) and H.264 and VP9 are written at the quality
// that small training frames need. OPENCV_LOG_LEVEL, OPENCV_FFMPEG_LOGLEVEL and OPENCV_FFMPEG_WRITER_OPTIONS win when the user set them.
void SetUpOpenCv();

}  // namespace v2r
