// YAML 1.2: block mappings and sequences, flow sequences, plain, quoted, literal and folded scalars.
#include "text/front_matter.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "text/unicode_text.h"

namespace quern {
namespace {

constexpr std::string_view kFence = "---", kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  return first == text.npos ? "" : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

bool is_blank(std::string_view line) { return trimmed(line).empty() || trimmed(line).front() == '#'; }

// Lines between the fences.
std::vector<std::string_view> block_of(std::string_view card) {
  std::vector<std::string_view> lines;
  bool inside = false;
  for (std::size_t at = 0; at < card.size();) {
    const std::size_t end = std::min(card.find('\n', at), card.size());
    std::string_view line = card.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (line == kFence) {
      if (inside) return lines;
      inside = true;
    } else if (!inside) {
      return {};
    } else {
      lines.push_back(line);
    }
  }
  return lines;
}

// Behind the closing quote.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 == text.size() || text[at + 1] != quote) return at + 1;
      ++at;
    }
  }
  return text.size();
}

// Behind a backslash. Source: YAML 1.2.2, 5.7.
struct Escape {
  char letter;
  char32_t code;
};
constexpr Escape kEscapes[] = {{'0', 0},    {'a', 7},      {'b', 8},     {'t', '\t'}, {'n', '\n'},
                               {'v', 0xb},  {'f', 0xc},    {'r', '\r'},  {'e', 0x1b}, {'N', 0x85},
                               {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029}};
struct NumberedEscape {
  char letter;
  std::size_t digits;  // of a character's number
};
constexpr NumberedEscape kNumberedEscapes[] = {{'x', 2}, {'u', 4}, {'U', 8}};

constexpr char32_t kReplacement = 0xfffd;  // of what is no character

std::string text_of(char32_t code) {
  const bool is_character = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  std::string text;
  append_character(text, is_character ? code : kReplacement);
  return text;
}

// nullopt: the text does not begin with as many digits.
std::optional<char32_t> number_at(std::string_view text, std::size_t digits) {
  std::uint32_t number = 0;
  const char* const end = text.data() + std::min(digits, text.size());
  const auto [stop, error] = std::from_chars(text.data(), end, number, 16);
  return text.size() >= digits && stop == end && error == std::errc() ? std::optional<char32_t>(number) : std::nullopt;
}

// JSON writes what takes more than four digits as a pair of surrogates.
char32_t with_second_half(char32_t high, std::string_view behind, std::size_t& length) {
  if (high < 0xd800 || high > 0xdbff || !behind.starts_with("\\u")) return high;
  const std::optional<char32_t> low = number_at(behind.substr(2), 4);
  if (!low || *low < 0xdc00 || *low > 0xdfff) return high;
  length += 6;
  return 0x10000 + ((high - 0xd800) << 10) + (*low - 0xdc00);
}

// The character of what stands behind a backslash, of which `length` gets how many bytes are its own.
std::string escaped_text(std::string_view behind, std::size_t& length) {
  length = 1;
  for (const Escape& row : kEscapes)
    if (row.letter == behind[0]) return text_of(row.code);
  for (const NumberedEscape& row : kNumberedEscapes) {
    if (row.letter != behind[0]) continue;
    const std::optional<char32_t> code = number_at(behind.substr(1), row.digits);
    if (!code) break;
    length += row.digits;
    return text_of(with_second_half(*code, behind.substr(length), length));
  }
  return std::string(1, behind[0]);
}

std::string unquoted(std::string_view text) {
  const char quote = text.front();
  std::string out;
  for (std::size_t at = 1; at + 1 < text.size(); ++at) {
    if (quote == '\'' && text[at] == '\'') ++at;
    if (quote == '"' && text[at] == '\\' && at + 2 < text.size()) {
      std::size_t length = 0;
      out += escaped_text(text.substr(at + 1, text.size() - at - 2), length);
      at += length;
    } else {
      out += text[at];
    }
  }
  return out;
}

bool is_quoted(std::string_view text) { return !text.empty() && (text.front() == '"' || text.front() == '\''); }

// null: none, or a mapping.
std::optional<std::string> scalar(std::string_view text) {
  text = trimmed(text);
  if (is_quoted(text)) return unquoted(text.substr(0, end_of_quoted(text, 0)));
  if (const std::size_t comment = text.find(" #"); comment != text.npos) text = trimmed(text.substr(0, comment));
  if (text.empty() || text == "null" || text == "~" || text.front() == '{' || text.front() == '#') return std::nullopt;
  if (text.ends_with(':') || text.find(": ") != text.npos) return std::nullopt;
  return std::string(text);
}

// "[a, 'b, c']", to the closing bracket.
Json flow_list(std::string_view text) {
  Json list = Json::array();
  std::size_t begin = 1;
  for (std::size_t at = 1; at <= text.size();) {
    const char c = at < text.size() ? text[at] : ']';
    if ((c == '"' || c == '\'') && trimmed(text.substr(begin, at - begin)).empty()) {
      at = end_of_quoted(text, at);
      continue;
    }
    if (c == ',' || c == ']') {
      if (auto item = scalar(text.substr(begin, at - begin))) list.push_back(*std::move(item));
      begin = at + 1;
    }
    if (c == ']') break;
    ++at;
  }
  return list;
}

class Reader {
 public:
  explicit Reader(std::string_view card) : lines_(block_of(card)) {}

  Json read() {
    std::map<std::string, Json> found;
    while (at_ < lines_.size()) {
      const std::string_view line = lines_[at_++];
      const std::size_t colon = end_of_key(line);
      if (is_blank(line) || indent_of(line) > 0 || colon == line.npos) continue;
      const std::string_view key = trimmed(line.substr(0, colon));
      Json value = value_of(trimmed(line.substr(colon + 1)));
      if (!value.is_null()) found.insert_or_assign(is_quoted(key) ? unquoted(key) : std::string(key), std::move(value));
    }
    return Json(Json::Object(found.begin(), found.end()));
  }

 private:
  // Of the colon behind the key; npos: the line has none.
  static std::size_t end_of_key(std::string_view line) {
    const std::size_t from = is_quoted(line) ? end_of_quoted(line, 0) : 0;
    for (std::size_t at = line.find(':', from); at != line.npos; at = line.find(':', at + 1))
      if (at + 1 == line.size() || line[at + 1] == ' ' || line[at + 1] == '\t') return at;
    return line.npos;
  }

  Json value_of(std::string_view rest) {
    if (rest.starts_with('|') || rest.starts_with('>'))
      return block_text(rest.front() == '>' ? Lines::kFolded : Lines::kKept);
    if (rest.starts_with('[')) return flow_list(joined(rest, ']'));
    if (!rest.empty() && rest.front() != '#') return json_or_null(scalar(is_quoted(rest) ? rest : joined(rest, '\0')));
    return block_list();
  }

  // With the indented lines that go on where it ends; as far as `closing`.
  std::string joined(std::string_view rest, char closing) {
    std::string all(rest);
    bool closed = closing && rest.find(closing) != rest.npos;
    for (; at_ < lines_.size() && !closed && !is_blank(lines_[at_]); ++at_) {
      const std::string_view line = trimmed(lines_[at_]);
      if (indent_of(lines_[at_]) == 0 && !(closing && line.front() == closing)) break;
      all += " " + std::string(line);
      closed = closing && line.find(closing) != line.npos;
    }
    return all;
  }

  enum class Lines { kKept, kFolded };
  Json block_text(Lines lines) {
    std::string text;
    std::size_t margin = 0;
    for (; at_ < lines_.size(); ++at_) {
      const std::string_view line = lines_[at_];
      if (trimmed(line).empty()) {
        text += '\n';
        continue;
      }
      if (indent_of(line) == 0) break;
      if (!margin) margin = indent_of(line);
      if (lines == Lines::kFolded && !text.empty() && text.back() == '\n') text.back() = ' ';
      text += std::string(line.substr(std::min(margin, indent_of(line)))) + "\n";
    }
    while (text.ends_with("\n\n")) text.pop_back();
    return text.empty() ? Json() : Json(text);
  }

  Json block_list() {
    Json list;
    std::size_t margin = std::string_view::npos;
    for (; at_ < lines_.size(); ++at_) {
      const std::string_view line = lines_[at_], text = trimmed(line);
      if (is_blank(line)) continue;
      const bool is_item = text == "-" || text.starts_with("- ");
      if (!is_item && indent_of(line) == 0) break;
      if (margin == std::string_view::npos) margin = indent_of(line);
      if (!is_item || indent_of(line) != margin) continue;  // what is deeper belongs to a mapping
      if (auto item = scalar(text.substr(1))) list.push_back(*std::move(item));
    }
    return list;
  }

  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
};

}  // namespace

Json front_matter(std::string_view card) {
  if (card.starts_with("\xEF\xBB\xBF")) card.remove_prefix(3);
  return Reader(card).read();
}

}  // namespace quern
