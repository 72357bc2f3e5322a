// What an EncoderSpec may hold.

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "models/encoder.h"

namespace v2r {
namespace {

void CheckColours(const char* key, const std::vector<double>& values, bool positive) {
  if (values.size() != 3) {
    ThrowUser("encoder.{} must be three numbers (red, green, blue), has {}", key, values.size());
  }
  for (const double value : values) {
    if (!std::isfinite(value) || (positive && value <= 0)) {
      ThrowUser("encoder.{} must be {}, has {}", key, positive ? "positive" : "finite", value);
    }
  }
}

void CheckRange(const char* key, double value, double min, double max) {
  if (!(value >= min && value <= max))
    ThrowUser("encoder.{} must be in [{}, {}], is {}", key, min, max, value);
}

void CheckChoice(const char* key, const std::string& value,
                 const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    ThrowUser("encoder.{}: unknown value '{}'{} (known: {})", key, value,
              DidYouMean(value, choices), Join(choices, ", "));
  }
}

}  // namespace

std::vector<std::string> EncoderArchNames() {
  return {"conv4", "nature", "resnet18", "resnet34", "resnet50", "pixels"};
}

void CheckSpec(const EncoderSpec& spec) {
  CheckChoice("arch", spec.arch, EncoderArchNames());
  CheckChoice("resize", spec.resize, {"area", "bilinear"});
  CheckChoice("pooling", spec.pooling, {"flatten", "avg"});
  CheckChoice("metric", spec.metric, {"l2", "cosine"});
  CheckRange("width", spec.width, 0.03125, 4);
  CheckRange("embedding_dim", static_cast<double>(spec.embedding_dim), 0, 1 << 20);
  CheckRange("input_size", static_cast<double>(spec.input_size), 16, 512);
  CheckRange("frame_stack", static_cast<double>(spec.frame_stack), 1, 8);
  CheckColours("mean", spec.mean, false);
  CheckColours("std", spec.std, true);
  if (spec.arch == "nature" && spec.input_size < 36) {
    ThrowUser(
        "encoder.input_size {} is too small for arch nature: its three convolutions need 36 or "
        "more",
        spec.input_size);
  }
}

}  // namespace v2r
