#include "media/film_encoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include <cstdlib>
#include <map>

#include "core/error.h"

namespace v2r {
namespace {

struct Codec {
  const char* encoder;
  AVPixelFormat format;
};

const std::map<std::string, Codec>& Codecs() {
  static const std::map<std::string, Codec> codecs = {
      {"avc1", {"libx264", AV_PIX_FMT_YUV420P}}, {"avc1_rgb", {"libx264rgb", AV_PIX_FMT_RGB24}},
      {"mp4v", {"mpeg4", AV_PIX_FMT_YUV420P}},   {"vp09", {"libvpx-vp9", AV_PIX_FMT_YUV420P}},
      {"vp80", {"libvpx", AV_PIX_FMT_YUV420P}},  {"MJPG", {"mjpeg", AV_PIX_FMT_YUVJ420P}},
      {"FFV1", {"ffv1", AV_PIX_FMT_0RGB32}}};
  return codecs;
}

std::string Reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, text, sizeof(text));
  return text;
}

void Check(int code, const char* what) {
  if (code < 0) throw FilmError(fmt::format("{}: {}", what, Reason(code)));
}

template <typename T>
T* Need(T* pointer, const char* what) {
  if (pointer == nullptr) throw FilmError(fmt::format("{}: out of memory", what));
  return pointer;
}

void QuietLog() {
  static const bool once = [] {
    const char* level = std::getenv("OPENCV_FFMPEG_LOGLEVEL");  // OpenCV's reader obeys it too
    av_log_set_level(level == nullptr ? AV_LOG_QUIET : std::atoi(level));
    return true;
  }();
  static_cast<void>(once);
}

// Quality and speed. Names as of each encoder; one that it does not have is left out.
void SetQuality(AVCodecContext& context, const std::string& codec, int crf) {
  const auto set = [&](const char* key, const std::string& value) {
    av_opt_set(context.priv_data, key, value.c_str(), 0);
  };
  const bool h264 = codec.starts_with("avc1"), vpx = codec.starts_with("vp");
  if (h264 || vpx) set("crf", std::to_string(crf));
  if (h264) {
    set("preset", "veryfast");
    // Macroblock trees read memory that nobody wrote: the same pictures then give other bytes.
    set("x264-params", "mbtree=0");
    return;
  }
  if (vpx) {
    context.bit_rate = 0;
    set("deadline", "good");
    set("cpu-used", "5");
    return;
  }
  if (codec == "MJPG" || codec == "mp4v") {
    context.flags |= AV_CODEC_FLAG_QSCALE;
    context.global_quality = 2 * FF_QP2LAMBDA;  // 2 is the best but one of 1 to 31
  }
}

}  // namespace

bool HasFilmCodec(const std::string& codec) {
  return avcodec_find_encoder_by_name(Codecs().at(codec).encoder) != nullptr;
}

struct FilmEncoder::Impl {
  AVFormatContext* file = nullptr;
  AVCodecContext* context = nullptr;
  AVStream* stream = nullptr;
  AVFrame* frame = nullptr;
  AVPacket* packet = nullptr;
  SwsContext* convert = nullptr;
  int64_t written = 0;

  ~Impl() {
    sws_freeContext(convert);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&context);
    if (file != nullptr && file->pb != nullptr) avio_closep(&file->pb);
    avformat_free_context(file);
  }

  // Sends `next` (null: the end) and writes what comes out.
  void Encode(const AVFrame* next) {
    Check(avcodec_send_frame(context, next), "encoding");
    while (true) {
      const int code = avcodec_receive_packet(context, packet);
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
      Check(code, "encoding");
      av_packet_rescale_ts(packet, context->time_base, stream->time_base);
      packet->stream_index = stream->index;
      if (packet->duration == 0) {
        packet->duration = av_rescale_q(1, context->time_base, stream->time_base);
      }
      Check(av_interleaved_write_frame(file, packet), "writing");
    }
  }
};

FilmEncoder::FilmEncoder(const std::filesystem::path& path, const std::string& codec, double fps,
                         int height, int width, int crf)
    : impl_(std::make_unique<Impl>()) {
  QuietLog();
  Impl& v = *impl_;
  const Codec& chosen = Codecs().at(codec);
  const AVCodec* encoder = avcodec_find_encoder_by_name(chosen.encoder);
  if (encoder == nullptr) throw FilmError(fmt::format("FFmpeg has no {}", chosen.encoder));
  Check(avformat_alloc_output_context2(&v.file, nullptr, nullptr, path.c_str()), "opening");
  v.stream = Need(avformat_new_stream(v.file, nullptr), "opening");
  v.context = Need(avcodec_alloc_context3(encoder), "opening");
  AVCodecContext& c = *v.context;
  c.width = width;
  c.height = height;
  c.pix_fmt = chosen.format;
  c.time_base = av_inv_q(av_d2q(fps, 100000));
  c.framerate = av_inv_q(c.time_base);
  c.thread_count = 1;  // the bytes must not depend on the machine
  c.flags |= AV_CODEC_FLAG_BITEXACT;
  if (v.file->oformat->flags & AVFMT_GLOBALHEADER) c.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  SetQuality(c, codec, crf);
  Check(avcodec_open2(v.context, encoder, nullptr), chosen.encoder);
  Check(avcodec_parameters_from_context(v.stream->codecpar, v.context), "opening");
  v.stream->time_base = c.time_base;
  v.stream->avg_frame_rate = c.framerate;
  v.file->flags |= AVFMT_FLAG_BITEXACT;

  v.frame = Need(av_frame_alloc(), "opening");
  v.frame->format = c.pix_fmt;
  v.frame->width = width;
  v.frame->height = height;
  Check(av_frame_get_buffer(v.frame, 0), "opening");
  v.packet = Need(av_packet_alloc(), "opening");
  v.convert =
      Need(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, c.pix_fmt,
                          SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_BITEXACT,
                          nullptr, nullptr, nullptr),
           "opening");
  Check(avio_open(&v.file->pb, path.c_str(), AVIO_FLAG_WRITE), "opening");
  Check(avformat_write_header(v.file, nullptr), "writing");
}

FilmEncoder::~FilmEncoder() = default;

void FilmEncoder::Write(ImageView frame) {
  Impl& v = *impl_;
  Check(av_frame_make_writable(v.frame), "encoding");
  const uint8_t* rows[1] = {frame.data};
  const int strides[1] = {3 * frame.width};
  sws_scale(v.convert, rows, strides, 0, frame.height, v.frame->data, v.frame->linesize);
  v.frame->pts = v.written++;
  v.Encode(v.frame);
}

void FilmEncoder::Finish() {
  Impl& v = *impl_;
  v.Encode(nullptr);
  Check(av_write_trailer(v.file), "writing");
  Check(avio_closep(&v.file->pb), "writing");
}

}  // namespace v2r
