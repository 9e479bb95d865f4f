// Each name is a string of as many bytes while the text is parsed, so that errors name the right byte. Such a string
// holds only DEL; a text that holds one of its own is parsed as plain JSON.
#include "base/python_json.h"

#include <cmath>
#include <limits>

namespace quern {
namespace {

constexpr char kFill = '\x7f';
constexpr std::string_view kSpace = " \t\n\r";

struct Constant {
  std::string_view name;
  double value;

  std::string fill() const { return std::string(name.size() - 2, kFill); }
  std::string string() const { return '"' + fill() + '"'; }
};
constexpr Constant kConstants[] = {
    {"NaN", std::numeric_limits<double>::quiet_NaN()},
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"-Infinity", -std::numeric_limits<double>::infinity()},
};

bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// The constant that is a whole value at `at`, or null.
const Constant* constant_at(std::string_view text, std::size_t at) {
  const bool begins = at == 0 || (kSpace.find(text[at - 1]) != kSpace.npos || text[at - 1] == ':' ||
                                  text[at - 1] == ',' || text[at - 1] == '[');
  if (!begins) return nullptr;
  for (const Constant& constant : kConstants) {
    if (!text.substr(at).starts_with(constant.name)) continue;
    const std::size_t end = at + constant.name.size();
    const bool ends = end == text.size() || kSpace.find(text[end]) != kSpace.npos || text[end] == ',' ||
                      text[end] == ']' || text[end] == '}';
    if (ends) return &constant;
  }
  return nullptr;
}

// Behind the string that begins at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
  return at + 1;
}

std::string with_strings(std::string_view text) {
  std::string changed(text);
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      at = end_of_string(text, at);
    } else if (const Constant* constant = constant_at(text, at)) {
      changed.replace(at, constant->name.size(), constant->string());
      at += constant->name.size();
    } else {
      ++at;
    }
  }
  return changed;
}

void put_numbers(Json& value) {
  if (value.is_array()) {
    for (Json& item : value.as_array()) put_numbers(item);
  } else if (value.is_object()) {
    for (Json::Member& member : value.as_object()) put_numbers(member.second);
  } else if (value.is_string() && value.as_string().starts_with(kFill)) {
    for (const Constant& constant : kConstants)
      if (value.as_string().size() + 2 == constant.name.size()) {
        value = Json(constant.value);
        return;
      }
  }
}

// Whether there were any.
bool put_strings(Json& value) {
  bool any = false;
  if (value.is_array()) {
    for (Json& item : value.as_array()) any |= put_strings(item);
  } else if (value.is_object()) {
    for (Json::Member& member : value.as_object()) any |= put_strings(member.second);
  } else if (value.is_number() && !std::isfinite(value.as_double())) {
    const double number = value.as_double();
    for (const Constant& constant : kConstants)
      if (is_same(constant.value, number)) value = Json(constant.fill());
    any = true;
  }
  return any;
}

}  // namespace

Json parse_python_json(std::string_view text) {
  if (text.find(kFill) != text.npos || text.find("\\u007") != text.npos) return parse_json(text);
  const std::string changed = with_strings(text);
  if (changed == text) return parse_json(text);
  Json value = parse_json(changed);
  put_numbers(value);
  return value;
}

std::string dump_python_json(const Json& value, int indent) {
  Json changed = value;
  if (!put_strings(changed)) return dump_json(value, indent);
  std::string text = dump_json(changed, indent);
  for (const Constant& constant : kConstants) {
    const std::string string = dump_json(Json(constant.fill()));
    for (std::size_t at = 0; (at = text.find(string, at)) != text.npos; at += constant.name.size())
      text.replace(at, string.size(), constant.name);
  }
  return text;
}

}  // namespace quern
