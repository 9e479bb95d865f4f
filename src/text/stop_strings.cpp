// Byte by byte: what is withheld always contains every stop string that is not complete yet.
#include "text/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"

namespace quern {
namespace {

constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";  // U+FFFD

// Length of the longest end of `text` with which `stop` begins.
std::size_t begun(std::string_view text, std::string_view stop) {
  for (std::size_t length = std::min(text.size(), stop.size()); length > 0; --length)
    if (text.ends_with(stop.substr(0, length))) return length;
  return 0;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_)
    if (stop.empty()) fail(ErrorCode::kUsage, "a stop string is empty");
  std::ranges::sort(stops_, [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string StopStrings::feed(std::string_view bytes) {
  if (stopped_) return {};
  for (const char byte : bytes) {
    withheld_ += byte;
    for (const std::string& stop : stops_) {
      if (!withheld_.ends_with(stop)) continue;
      stopped_ = true;
      withheld_.resize(withheld_.size() - stop.size());
      return flush();
    }
  }
  std::size_t kept = 0;
  for (const std::string& stop : stops_) kept = std::max(kept, begun(withheld_, stop));
  return take(withheld_.size() - kept);
}

std::string StopStrings::flush() {
  std::string text = take(withheld_.size());
  if (!withheld_.empty()) text += kReplacementCharacter;
  withheld_.clear();
  return text;
}

// Removes the whole characters, and ill-formed parts, that end by `end`.
std::string StopStrings::take(std::size_t end) {
  std::string text;
  std::size_t at = 0;
  while (at < end) {
    const Utf8Part part = first_utf8_part(std::string_view(withheld_).substr(at));
    if (part.kind == Utf8Kind::kIncomplete || at + part.length > end) break;
    text +=
        part.kind == Utf8Kind::kCharacter ? std::string_view(withheld_).substr(at, part.length) : kReplacementCharacter;
    at += part.length;
  }
  withheld_.erase(0, at);
  return text;
}

}  // namespace quern
