// CommonMark 0.31: a backslash before punctuation makes it plain (section 2.4); code spans know no escapes (6.1).
#include "report/markdown_text.h"

#include <algorithm>
#include <cctype>

#include "base/printable.h"

namespace quern {
namespace {

constexpr std::string_view kMarkup = "\\`*[]<>&|~$";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }

// Inside a word an underscore is plain, and names are full of them.
bool is_inside_word(std::string_view text, std::size_t at) {
  return at > 0 && at + 1 < text.size() && is_word(text[at - 1]) && is_word(text[at + 1]);
}

// Where GitHub's dialect makes a link of bare text: "https://...", "www....".
bool begins_link(std::string_view text, std::size_t at) {
  return text.substr(at).starts_with("://") || (text[at] == '.' && at >= 3 && text.substr(at - 3, 3) == "www");
}

std::size_t longest_run(std::string_view text, char of) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == of ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

}  // namespace

std::string markdown(std::string_view foreign) {
  const std::string text = printable_line(foreign);
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool is_markup = kMarkup.find(c) != kMarkup.npos || (c == '_' && !is_inside_word(text, at)) ||
                           (c == '#' && at == 0) || begins_link(text, at);
    if (is_markup) out += '\\';
    out += c;
  }
  return out;
}

std::string markdown_code(std::string_view foreign) {
  const std::string text = printable_line(foreign);
  if (text.empty()) return {};
  const std::string fence(longest_run(text, '`') + 1, '`');
  const bool touches = text.front() == '`' || text.back() == '`';
  return touches ? fence + " " + text + " " + fence : fence + text + fence;
}

}  // namespace quern
