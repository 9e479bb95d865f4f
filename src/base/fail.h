// Throwing the Error of the library, with what was found and where.
#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>

#include "quern/error.h"

namespace quern {

// Throws Error with a message in fmt's notation.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// For what only a defect of Quern can break.
template <typename... Args>
void ensure(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw Error(ErrorCode::kInternal, fmt::format(format, std::forward<Args>(args)...));
}

// Runs `body`; an Error that leaves it carries `where` as context.
template <typename Body>
decltype(auto) with_context(const std::string& where, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    throw error.add_context(where);
  }
}

}  // namespace quern
