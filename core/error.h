// Errors. Bad user input throws UserError, which says where and what to do; our own bugs throw Error through V2R_CHECK,
// which shows both operands. Nothing below app/ prints or exits.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace v2r {

// A defect of this program or an impossible state: file:line, the condition and both operands.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Something the user can mend: a config value, a video, a model file, a checkpoint. Exit code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Ctrl-C arrived: thrown by PollInterrupt() at a place where stopping loses nothing. Exit code 130.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

template <typename... Args>
[[noreturn]] void ThrowUser(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

namespace internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& detail);
template <typename A, typename B>
std::string Operands(const A& a, const B& b) {
  return fmt::format("{} vs {}", a, b);
}
}  // namespace internal

// V2R_CHECK(condition, "format {}", values...): throws Error when the condition does not hold.
#define V2R_CHECK(condition, ...)                                                 \
  do {                                                                            \
    if (!(condition)) [[unlikely]]                                                \
      ::v2r::internal::CheckFailed(__FILE__, __LINE__, #condition,                \
                                   ::fmt::format("" __VA_ARGS__));                \
  } while (false)

#define V2R_CHECK_OP(op, a, b)                                                    \
  do {                                                                            \
    if (!((a)op(b))) [[unlikely]]                                                 \
      ::v2r::internal::CheckFailed(__FILE__, __LINE__, #a " " #op " " #b,         \
                                   ::v2r::internal::Operands((a), (b)));          \
  } while (false)
#define V2R_CHECK_EQ(a, b) V2R_CHECK_OP(==, a, b)
#define V2R_CHECK_NE(a, b) V2R_CHECK_OP(!=, a, b)
#define V2R_CHECK_LT(a, b) V2R_CHECK_OP(<, a, b)
#define V2R_CHECK_LE(a, b) V2R_CHECK_OP(<=, a, b)
#define V2R_CHECK_GT(a, b) V2R_CHECK_OP(>, a, b)
#define V2R_CHECK_GE(a, b) V2R_CHECK_OP(>=, a, b)

}  // namespace v2r
