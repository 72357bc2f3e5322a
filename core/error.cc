#include "core/error.h"

namespace v2r::internal {

void CheckFailed(const char* file, int line, const char* condition, const std::string& detail) {
  const std::string_view path(file);
  // The last two parts of the path are enough to find the place.
  size_t start = path.rfind('/');
  if (start != std::string_view::npos && start > 0) start = path.rfind('/', start - 1);
  const std::string_view shown = start == std::string_view::npos ? path : path.substr(start + 1);
  throw Error(fmt::format("{}:{}: check failed: {}{}{}", shown, line, condition,
                          detail.empty() ? "" : ": ", detail));
}

}  // namespace v2r::internal
