// The one exception of the library, and the exit codes of the program.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <utility>

#include "quern/export.h"

namespace quern {

// NOTE: the values are the documented exit codes of `quern`; never renumber.
enum class ErrorCode : int {
  kInternal = 1,          // a defect of Quern
  kUsage = 2,             // a wrong command line, recipe or plan
  kInput = 3,             // input that cannot be read or is not supported
  kInfeasible = 4,        // constraints that no plan can meet
  kQuality = 5,           // the quality bound was missed
  kResource = 6,          // memory or disk
  kVerification = 7,      // a package that does not match its manifest
  kMissingComponent = 8,  // an optional component is not installed
  kInterrupted = 130,     // stopped by the user
};

// What went wrong, with the actual values, and where ("while reading FILE, tensor T").
class QUERN_API Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), text_(without_zeros(std::move(message))) {}

  ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return text_.c_str(); }

  // Appends where it happened, innermost first: "MESSAGE (while reading a.safetensors, tensor x)".
  Error& add_context(const std::string& where) {
    text_ += " (" + without_zeros(where) + ")";
    return *this;
  }

 private:
  // A name may hold a zero byte, at which what() would end: it stands there as \x00.
  static std::string without_zeros(std::string text) {
    for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
      text.replace(at, 1, "\\x00");
    return text;
  }

  ErrorCode code_;
  std::string text_;
};

}  // namespace quern
