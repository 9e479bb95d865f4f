// How a command that failed says so.
#pragma once

#include <string>

#include "quern/error.h"

namespace quern::cli {

enum class AnswerForm { kText, kJson };

// A sentence on the error stream and, for programs that read the result as JSON, {"error": {"code", "name", "message"}}
// on the output. `message`: names and values as they are. Returns the exit code.
int say_failure(ErrorCode code, const std::string& message, AnswerForm form);

}  // namespace quern::cli
