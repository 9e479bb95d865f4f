// One look-up for each length that a piece with this first byte has. White space and words beside a piece are those of
// the Python package tokenizers.
#include "tokenizer/added_pieces.h"

#include <algorithm>

#include "text/unicode_text.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// The character that ends at `end`; its begin becomes `end`. REQUIRES: end > 0.
char32_t previous_character(std::string_view text, std::size_t& end) {
  do --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
  std::size_t at = end;
  return next_character(text, at);
}

bool is_whole_word(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t before = begin, behind = end;
  return (begin == 0 || !is_word_character(previous_character(text, before))) &&
         (end == text.size() || !is_word_character(next_character(text, behind)));
}

std::size_t begin_of_space(std::string_view text, std::size_t end) {
  for (std::size_t at = end; at > 0; end = at)
    if (!is_space(previous_character(text, at))) break;
  return end;
}

std::size_t end_of_space(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin; at < text.size(); begin = at)
    if (!is_space(next_character(text, at))) break;
  return begin;
}

}  // namespace

void AddedPieces::add(std::string text, std::int32_t id, const Vocabulary::Piece& rules) {
  auto& lengths = lengths_[static_cast<std::uint8_t>(text[0])];
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), text.size(), std::greater<>());
  if (at == lengths.end() || *at != text.size()) lengths.insert(at, text.size());
  pieces_.emplace(std::move(text), Rules{id, rules.strips_left, rules.strips_right, rules.whole_word});
}

const AddedPieces::Found::value_type* AddedPieces::longest_at(std::string_view text) const {
  for (const std::size_t length : lengths_[static_cast<std::uint8_t>(text[0])]) {
    if (length > text.size()) continue;
    if (const auto found = pieces_.find(text.substr(0, length)); found != pieces_.end()) return &*found;
  }
  return nullptr;
}

void AddedPieces::cut(std::string_view text, const std::function<void(std::string_view)>& plain,
                      const std::function<void(std::int32_t)>& piece) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto* found = pieces_.empty() ? nullptr : longest_at(text.substr(at));
    if (!found) {
      ++at;
      continue;
    }
    const Rules& rules = found->second;
    std::size_t begin = at, end = at + found->first.size();
    at = end;
    if (begin < done || (rules.whole_word && !is_whole_word(text, begin, end))) continue;
    if (rules.strips_left) begin = std::max(done, begin_of_space(text, begin));
    if (rules.strips_right) end = end_of_space(text, end);
    if (begin > done) plain(text.substr(done, begin - done));
    piece(rules.id);
    done = end;
  }
  if (done < text.size()) plain(text.substr(done));
}

AddedToTexts::AddedToTexts(const Vocabulary& vocabulary, const Normalizer& normalizer) {
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const Vocabulary::Piece& piece = vocabulary.pieces[i];
    const bool is_added = piece.type == Type::kControl || piece.type == Type::kUserDefined || piece.is_added;
    if (!is_added) continue;
    std::string text = piece.in_normalized ? normalizer(piece.text) : piece.text;
    if (!text.empty())
      (piece.in_normalized ? normalized : raw).add(std::move(text), static_cast<std::int32_t>(i), piece);
  }
}

}  // namespace quern
