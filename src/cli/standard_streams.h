// What is said on standard error, and that the three standard streams are there.
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <utility>

namespace quern::cli {

// Opens those of descriptors 0 to 2 that a caller has closed, so that no file of a package gets their numbers and a
// message its bytes. Nothing can be written to them: a result that is lost is an error as before.
void open_standard_streams();

// Writes to standard error. What cannot be said decides nothing: a full disk or a closed stream is passed over.
template <typename... Args>
void tell(fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace quern::cli
