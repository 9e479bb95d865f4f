// Everything that a file may have named goes through escaped().
#include "report/html_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/fail.h"
#include "base/printable.h"

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

struct Entity {
  char character;
  std::string_view html;
};
constexpr Entity kEntities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

std::string with_entities(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto entity = std::ranges::find(kEntities, c, &Entity::character);
    if (entity == std::end(kEntities))
      out += c;
    else
      out += entity->html;
  }
  return out;
}

double finite(double value) {
  if (!std::isfinite(value)) fail(ErrorCode::kInternal, "the report would show {}", value);
  return value;
}

}  // namespace

std::string escaped(std::string_view text) { return with_entities(printable_line(text)); }

std::string escaped_lines(std::string_view text) { return with_entities(printable(text)); }

std::string typeset(std::string text) {
  text = replaced(std::move(text), "+-", "&plusmn;");
  if (text.starts_with('-')) text.replace(0, 1, "&minus;");
  return text;
}

std::string megabytes(std::uint64_t bytes) { return size_label(static_cast<double>(bytes)); }

std::string three_digits(double value) { return fmt::format("{:.3g}", finite(value)); }

std::string hundredths(double value) { return fmt::format("{:.2f}", finite(value)); }

std::string plain_number(double value, double) { return fmt::format("{:g}", value); }

std::string size_label(double bytes, double step) {
  for (const Unit& unit : kUnits) {
    if (bytes < unit.bytes) continue;
    const int digits = step > 0 ? static_cast<int>(std::ceil(-std::log10(step / unit.bytes))) : 0;
    return fmt::format("{:.{}f} {}", bytes / unit.bytes, std::max(2, digits), unit.name);
  }
  return fmt::format("{:.0f} bytes", bytes);
}

}  // namespace quern
