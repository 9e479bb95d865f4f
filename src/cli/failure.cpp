// The table of codes has the names that docs/exit-codes.md gives them.
#include "cli/failure.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/json.h"
#include "base/printable.h"
#include "cli/standard_streams.h"

namespace quern::cli {
namespace {

struct CodeName {
  ErrorCode code;
  const char* name;
};
constexpr CodeName kNames[] = {{ErrorCode::kInternal, "internal"},
                               {ErrorCode::kUsage, "usage"},
                               {ErrorCode::kInput, "input"},
                               {ErrorCode::kInfeasible, "infeasible"},
                               {ErrorCode::kQuality, "quality"},
                               {ErrorCode::kResource, "resource"},
                               {ErrorCode::kVerification, "verification"},
                               {ErrorCode::kMissingComponent, "missing_component"},
                               {ErrorCode::kInterrupted, "interrupted"}};

}  // namespace

int say_failure(ErrorCode code, const std::string& message, AnswerForm form) {
  tell("quern: {}\n", printable(message));
  const int number = static_cast<int>(code);
  if (form == AnswerForm::kText) return number;
  const CodeName& row = *std::ranges::find(kNames, code, &CodeName::code);
  const Json error = Json::object({{"code", number}, {"name", row.name}, {"message", message}});
  const std::string text = dump_json(Json::object({{"error", error}}), 1) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  return number;
}

}  // namespace quern::cli
