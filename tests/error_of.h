// The text of the UserError that a call ends with.
#pragma once

#include <string>

#include "core/error.h"

namespace v2r {

template <typename F>
std::string ErrorOf(F f) {
  try {
    f();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace v2r
