#include "app/tfevents.h"

#include <unistd.h>

#include <boost/crc.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <protozero/pbf_writer.hpp>

#include "core/error.h"

namespace v2r {
namespace {

// CRC-32C as record_writer.h masks it.
uint32_t MaskedCrc(const char* data, size_t size) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(data, size);
  const uint32_t value = crc.checksum();
  return ((value >> 15) | (value << 17)) + 0xa282ead8u;
}

double WallTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Fields of Event, Summary and Summary.Value in event.proto and summary.proto.
enum EventField { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5 };
enum SummaryField { kValue = 1 };
enum ValueField { kTag = 1, kSimpleValue = 2 };

class TensorboardSink : public MetricSink {
 public:
  explicit TensorboardSink(const std::filesystem::path& directory) {
    char host[128] = "localhost";
    gethostname(host, sizeof(host) - 1);
    path_ = directory / fmt::format("events.out.tfevents.{}.{}.{}",
                                    static_cast<int64_t>(WallTime()), host, getpid());
    out_.open(path_, std::ios::binary);
    if (!out_) ThrowUser("{}: cannot write: {}", path_.string(), std::strerror(errno));
    std::string event;
    protozero::pbf_writer writer(event);
    writer.add_double(kWallTime, WallTime());
    writer.add_string(kFileVersion, "brain.Event:2");
    Record(event);
  }

  void Write(int64_t step, const Metrics& metrics) override {
    std::string event;
    {
      protozero::pbf_writer writer(event);
      writer.add_double(kWallTime, WallTime());
      writer.add_int64(kStep, step);
      protozero::pbf_writer summary(writer, kSummary);
      for (const auto& [name, value] : metrics) {
        protozero::pbf_writer entry(summary, kValue);
        entry.add_string(kTag, name);
        entry.add_float(kSimpleValue, static_cast<float>(value));
      }
    }
    Record(event);
  }

  void Flush() override {
    out_.flush();
    if (!out_) ThrowUser("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }

 private:
  void Record(const std::string& data) {
    char header[8];
    const uint64_t length = data.size();
    std::memcpy(header, &length, 8);
    const uint32_t header_crc = MaskedCrc(header, 8);
    const uint32_t data_crc = MaskedCrc(data.data(), data.size());
    out_.write(header, 8);
    out_.write(reinterpret_cast<const char*>(&header_crc), 4);
    out_.write(data.data(), static_cast<std::streamsize>(data.size()));
    out_.write(reinterpret_cast<const char*>(&data_crc), 4);
  }

  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace

std::unique_ptr<MetricSink> MakeTensorboardSink(const std::filesystem::path& directory) {
  return std::make_unique<TensorboardSink>(directory);
}

}  // namespace v2r
