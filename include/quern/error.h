// The one exception of the library, and the exit codes of the program.
#pragma once

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
  Error(ErrorCode code, const std::string& message) : code_(code), text_(without_zeros(message)) {}

  ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return text_.c_str(); }

  // Appends where it happened, innermost first: "MESSAGE (while reading a.safetensors, tensor x)".
  Error& add_context(const std::string& where) {
    text_ += " (" + without_zeros(where) + ")";
    return *this;
  }

 private:
  // A name may hold a zero byte, at which what() would end: it stands there as \x00.
  static std::string without_zeros(const std::string& text) {
    std::string shown;
    for (const char c : text)
      if (c == '\0')
        shown += "\\x00";
      else
        shown += c;
    return shown;
  }

  ErrorCode code_;
  std::string text_;
};

}  // namespace quern
