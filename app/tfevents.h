// TensorBoard event files: protozero for the messages, Boost.CRC for the record checksums.
// Format: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto.
#pragma once

#include <filesystem>
#include <memory>

#include "core/metrics.h"

namespace v2r {

// Opens events.out.tfevents.* in `directory`. Scalars only. UserError when it cannot be written.
std::unique_ptr<MetricSink> MakeTensorboardSink(const std::filesystem::path& directory);

}  // namespace v2r
