#include "media/container.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>

namespace v2r {
namespace {

uint64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

uint64_t LittleEndian32(std::string_view bytes) {
  uint64_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// Reads at most n bytes at an offset.
class Peek {
 public:
  explicit Peek(const std::filesystem::path& path) : file_(path, std::ios::binary) {
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    if (error) size_ = 0;
  }
  uint64_t size() const { return size_; }
  std::string At(uint64_t offset, size_t n) {
    std::string bytes(n, '\0');
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(bytes.data(), static_cast<std::streamsize>(n));
    bytes.resize(static_cast<size_t>(file_.gcount()));
    return bytes;
  }

 private:
  std::ifstream file_;
  uint64_t size_ = 0;
};

std::string CutOff(std::string_view part, uint64_t end, uint64_t size) {
  return fmt::format("the file is cut off: its {} should reach byte {}, the file has {}", part, end,
                     size);
}

// The body of the first box of that name (four letters) in a row of boxes, after `skip` others of
// it;
// "" when there is none.
std::string_view FindBox(std::string_view boxes, std::string_view name, int skip = 0) {
  while (boxes.size() >= 8) {
    const uint64_t length = BigEndian(boxes.substr(0, 4));
    if (length < 8 || length > boxes.size()) return {};
    if (boxes.substr(4, 4) == name && skip-- == 0) return boxes.substr(8, length - 8);
    boxes.remove_prefix(length);
  }
  return {};
}

// Timescale (units a second) and duration of an mvhd or mdhd box.
struct Mp4Clock {
  double scale = 0, duration = 0;
  explicit Mp4Clock(std::string_view box) {
    const bool wide = !box.empty() && box[0] == 1;  // version 1: 64-bit times
    const size_t at = wide ? 20 : 12, size = wide ? 8 : 4;
    if (box.size() < at + 4 + size) return;
    scale = static_cast<double>(BigEndian(box.substr(at, 4)));
    duration = static_cast<double>(BigEndian(box.substr(at + 4, size)));
  }
};

// What part of the video track its edit list shows (ISO 14496-12, 8.6.6).
double ShownShare(std::string_view moov) {
  const Mp4Clock movie(FindBox(moov, "mvhd"));
  for (int i = 0; i < 64; ++i) {
    const auto track = FindBox(moov, "trak", i);
    if (track.empty()) break;
    const auto media = FindBox(track, "mdia");
    const auto handler = FindBox(media, "hdlr");
    if (handler.size() < 12 || handler.substr(8, 4) != "vide") continue;
    const Mp4Clock clock(FindBox(media, "mdhd"));
    const auto list = FindBox(FindBox(track, "edts"), "elst");
    if (list.size() < 8 || movie.scale <= 0 || clock.scale <= 0 || clock.duration <= 0) return 1;
    const size_t time = list[0] == 1 ? 8 : 4, entry = 2 * time + 4;
    double shown = 0;
    for (size_t at = 8; at + entry <= list.size(); at += entry) {
      // A media time of -1 is a pause before the film.
      if (static_cast<uint8_t>(list[at + time]) == 0xFF) continue;
      shown += static_cast<double>(BigEndian(list.substr(at, time)));
    }
    return shown > 0 ? std::min(1.0, shown / movie.scale * clock.scale / clock.duration) : 1;
  }
  return 1;
}

// Top-level boxes: 32-bit size (1: a 64-bit size follows, 0: to the end of the file) and four
// letters.
std::string InspectMp4(Peek& file, double& shown_share) {
  bool has_index = false;
  uint64_t at = 0;
  while (at + 8 <= file.size()) {
    const std::string head = file.At(at, 16);
    uint64_t length = BigEndian(head.substr(0, 4));
    const std::string name = head.substr(4, 4);
    if (name == "moov") has_index = true;
    if (length == 0) break;
    if (length == 1 && head.size() == 16) length = BigEndian(head.substr(8, 8));
    if (length < 8) break;
    if (at + length > file.size()) return CutOff("'" + name + "' box", at + length, file.size());
    constexpr uint64_t kLargestIndex = 256 << 20;
    if (name == "moov" && length < kLargestIndex) {
      const std::string moov = file.At(at + 8, length - 8);
      shown_share = ShownShare(moov);
    }
    at += length;
  }
  return has_index ? "" : "the index ('moov' box) is missing: the recording was not finished";
}

// The idx1 chunk: 16 bytes an entry, "NNdc" or "NNdb" for a picture of stream NN, its length in the
// last four. Counts the pictures of the first stream that has any.
int64_t CountAviPictures(Peek& file, uint64_t riff_end) {
  uint64_t at = 12;
  while (at + 8 <= riff_end) {
    const std::string head = file.At(at, 8);
    if (head.size() < 8) return 0;
    const uint64_t length = LittleEndian32(head.substr(4));
    if (at + 8 + length > riff_end) return 0;
    if (head.starts_with("idx1")) {
      const std::string index = file.At(at + 8, length);
      std::string stream;
      int64_t count = 0;
      for (size_t i = 0; i + 16 <= index.size(); i += 16) {
        const std::string_view kind = std::string_view(index).substr(i + 2, 2);
        if (kind != "dc" && kind != "db") continue;
        if (stream.empty()) stream = index.substr(i, 2);
        if (index.compare(i, 2, stream) == 0 && LittleEndian32(index.substr(i + 12, 4)) > 0)
          ++count;
      }
      return count;
    }
    at += 8 + length + (length & 1);
  }
  return 0;
}

std::string InspectAvi(Peek& file, int64_t& pictures) {
  uint64_t at = 0;
  while (at + 8 <= file.size()) {
    const std::string head = file.At(at, 8);
    if (!head.starts_with("RIFF")) break;  // something else follows
    const uint64_t length = LittleEndian32(head.substr(4));
    if (length == 0 || length == 0xFFFFFFFF) break;  // never finished, size unknown
    if (at + 8 + length > file.size()) return CutOff("RIFF chunk", at + 8 + length, file.size());
    if (at == 0) pictures = CountAviPictures(file, 8 + length);
    at += 8 + length + (length & 1);
  }
  return "";
}

// An EBML number: the position of the first set bit says how many bytes it has.
struct Varint {
  uint64_t value = 0;
  int bytes = 0;
  bool unknown = false;  // all ones: "size unknown"
};
Varint ReadVarint(std::string_view bytes) {
  Varint result;
  if (bytes.empty()) return result;
  const auto first = static_cast<uint8_t>(bytes[0]);
  for (int n = 1; n <= 8; ++n) {
    if ((first & (0x100 >> n)) == 0) continue;
    if (static_cast<int>(bytes.size()) < n) return result;
    const uint64_t mask = (uint64_t{1} << (7 * n)) - 1;
    result.value = BigEndian(bytes.substr(0, n)) & mask;
    result.bytes = n;
    result.unknown = result.value == mask;
    return result;
  }
  return result;
}

// EBML header, then the Segment (ID 18 53 80 67) that holds everything.
std::string InspectMatroska(Peek& file) {
  const Varint header = ReadVarint(file.At(4, 8));
  if (header.bytes == 0) return "";
  const uint64_t segment = 4 + header.bytes + header.value;
  const std::string id = file.At(segment, 4);
  if (id.size() < 4) return CutOff("EBML header", segment, file.size());
  if (BigEndian(id) != 0x18538067) return "";
  const Varint length = ReadVarint(file.At(segment + 4, 8));
  if (length.bytes == 0 || length.unknown) return "";
  const uint64_t end = segment + 4 + length.bytes + length.value;
  return end > file.size() ? CutOff("segment", end, file.size()) : "";
}

// CRC-32 of ISO 3309, as PNG uses it.
uint32_t Crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) crc = table[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  return crc ^ 0xFFFFFFFFu;
}

}  // namespace

ContainerState InspectContainer(const std::filesystem::path& path) {
  Peek file(path);
  const std::string head = file.At(0, 12);
  if (head.size() < 12) return {};
  if (const std::string box = head.substr(4, 4);
      box == "ftyp" || box == "moov" || box == "mdat" || box == "free" || box == "wide") {
    ContainerState state{true};
    state.problem = InspectMp4(file, state.shown_share);
    return state;
  }
  if (head.starts_with("RIFF") && head.substr(8, 4) == "AVI ") {
    ContainerState state{true};
    state.problem = InspectAvi(file, state.pictures);
    return state;
  }
  if (BigEndian(head.substr(0, 4)) == 0x1A45DFA3) return {false, 0, 1, InspectMatroska(file)};
  return {};
}

std::string InspectPicture(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) {
    size_t at = 8;
    while (at + 12 <= bytes.size()) {
      const uint64_t length = BigEndian(bytes.substr(at, 4));
      if (length > bytes.size() - at - 12) break;
      const auto body = bytes.substr(at + 4, 4 + length);
      if (Crc32(body) != BigEndian(bytes.substr(at + 8 + length, 4))) {
        return fmt::format("damaged: wrong checksum of the PNG chunk at byte {}", at);
      }
      if (body.starts_with("IEND")) return "";
      at += 12 + length;
    }
    return "the file is cut off: its last PNG chunk is missing";
  }
  if (bytes.starts_with("\xFF\xD8") && bytes.rfind("\xFF\xD9") == std::string_view::npos) {
    return "the file is cut off: its JPEG end marker is missing";
  }
  return "";
}

}  // namespace v2r
