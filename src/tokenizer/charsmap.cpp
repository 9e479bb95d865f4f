// The trie is darts-clone's double array: a unit has its label in bits 0..7 and 31, its offset in bits 10..30 (times
// 256 where bit 9 is set); bit 8 says that its first child is a value.
#include "tokenizer/charsmap.h"

#include "base/bytes.h"
#include "text/unicode_text.h"
#include "tokenizer/vocabulary_check.h"

namespace quern {
namespace {

constexpr std::size_t kLongestWhole = 6;  // bytes; a character with marks below it is looked up as one

std::size_t offset(std::uint32_t unit) { return std::size_t{unit >> 10} << ((unit & 0x200u) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string table) : table_(std::move(table)) {
  check_charsmap(table_);
  if (!table_.empty()) units_ = load<std::uint32_t>(table_.data()) / 4;
}

std::uint32_t Charsmap::unit(std::size_t i) const { return load<std::uint32_t>(table_.data() + 4 + 4 * i); }

std::optional<std::string_view> Charsmap::replacement(std::string_view text) const {
  if (units_ == 0) return std::nullopt;
  std::size_t node = offset(unit(0));
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    node ^= byte;
    if (node >= units_ || (unit(node) & 0x800000ffu) != byte) return std::nullopt;
    const std::uint32_t found = unit(node);
    node ^= offset(found);
    if (!(found >> 8 & 1)) continue;
    const char* text_of_rule = table_.data() + 4 + 4 * units_ + (unit(node) & 0x7fffffffu);
    return std::string_view(text_of_rule);
  }
  return std::nullopt;
}

std::string Charsmap::normalize(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  Graphemes graphemes(text);
  for (std::string_view whole = graphemes.next(); !whole.empty(); whole = graphemes.next()) {
    if (whole.size() < kLongestWhole) {
      if (const auto rule = replacement(whole)) {
        out += *rule;
        continue;
      }
    }
    for (std::size_t at = 0; at < whole.size();) {
      const std::size_t begin = at;
      next_character(whole, at);
      const std::string_view part = whole.substr(begin, at - begin);
      out += replacement(part).value_or(part);
    }
  }
  return out;
}

}  // namespace quern
