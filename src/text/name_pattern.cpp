// Globs become regular expressions, so there is one matcher (RE2).
#include "text/name_pattern.h"

#include <re2/re2.h>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::int64_t kMaxPatternMemory = std::int64_t{1} << 20;  // of one compiled pattern
constexpr std::string_view kRegexMark = "re:";

// What stands beside * and ? is quoted, so that a dot in a name is a dot.
std::string regex_of_glob(std::string_view glob) {
  std::string regex;
  for (const char c : glob) {
    if (c == '*' || c == '?')
      regex += c == '*' ? ".*" : ".";
    else
      regex += RE2::QuoteMeta(re2::StringPiece(&c, 1));
  }
  return regex;
}

std::shared_ptr<const re2::RE2> compiled(const std::string& text, const std::string& regex) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kMaxPatternMemory);
  auto pattern = std::make_shared<RE2>(regex, options);
  if (!pattern->ok()) fail(ErrorCode::kUsage, "\"{}\" cannot be read as a pattern: {}", text, pattern->error());
  return pattern;
}

}  // namespace

NamePattern::NamePattern(std::string text) : text_(std::move(text)) {
  if (text_.empty()) fail(ErrorCode::kUsage, "a pattern for names is empty");
  if (text_.starts_with(kRegexMark))
    pattern_ = compiled(text_, text_.substr(kRegexMark.size()));
  else if (text_.find_first_of("*?") != std::string::npos)
    pattern_ = compiled(text_, regex_of_glob(text_));
}

bool NamePattern::matches(std::string_view name) const {
  return pattern_ ? RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *pattern_) : name == text_;
}

}  // namespace quern
