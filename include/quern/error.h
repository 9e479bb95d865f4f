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
  Error(ErrorCode code, std::string message) : code_(code), text_(std::move(message)) {}

  ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return text_.c_str(); }

  // Appends where it happened, innermost first: "MESSAGE (while reading a.safetensors, tensor x)".
  Error& add_context(const std::string& where) {
    text_ += " (" + where + ")";
    return *this;
  }

 private:
  ErrorCode code_;
  std::string text_;
};

}  // namespace quern
