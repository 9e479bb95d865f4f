// Everything that a file may have named goes through escaped().
#include "report/html_text.h"

#include <cmath>

#include "base/fail.h"

namespace quern {
namespace {

struct Unit {
  double bytes;
  const char* name;
};
constexpr Unit kUnits[] = {{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "KB"}};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

double finite(double value) {
  if (!std::isfinite(value)) fail(ErrorCode::kInternal, "the report would show {}", value);
  return value;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if ((byte < 0x20 && c != '\n') || byte == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

std::string typeset(std::string text) {
  text = replaced(std::move(text), "+-", "&plusmn;");
  if (text.starts_with('-')) text.replace(0, 1, "&minus;");
  return text;
}

std::string megabytes(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  for (const Unit& unit : kUnits)
    if (value >= unit.bytes) return fmt::format("{:.2f} {}", value / unit.bytes, unit.name);
  return fmt::format("{} bytes", bytes);
}

std::string three_digits(double value) { return fmt::format("{:.3g}", finite(value)); }

std::string hundredths(double value) { return fmt::format("{:.2f}", finite(value)); }

std::string plain_number(double value) { return fmt::format("{:g}", value); }

std::string size_label(double bytes) { return megabytes(static_cast<std::uint64_t>(bytes)); }

}  // namespace quern
