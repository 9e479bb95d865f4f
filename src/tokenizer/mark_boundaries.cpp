// The mark is sentencepiece's.
#include "tokenizer/mark_boundaries.h"

#include <algorithm>

namespace quern {
namespace {

// The next place behind `from` where a mark follows another character, or npos.
std::size_t next_boundary(std::string_view text, std::size_t from) {
  std::size_t at = text.find(kSpaceMark, from);
  while (at != std::string_view::npos && (at == 0 || text.substr(0, at).ends_with(kSpaceMark)))
    at = text.find(kSpaceMark, at + kSpaceMark.size());
  return at;
}

}  // namespace

bool ends_at_marks(const Vocabulary& vocabulary) {
  using Piece = Vocabulary::Piece;
  const auto crosses = [](const Piece& piece) {
    return piece.in_model && next_boundary(piece.text, 0) != std::string_view::npos;
  };
  const auto is_mark = [](const Piece& piece) { return piece.in_model && piece.text == kSpaceMark; };
  return std::ranges::any_of(vocabulary.pieces, is_mark) && std::ranges::none_of(vocabulary.pieces, crosses);
}

void cut_at_marks(std::string_view text, const std::function<void(std::string_view)>& take) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(next_boundary(text, begin + 1), text.size());
    take(text.substr(begin, end - begin));
    begin = end;
  }
}

}  // namespace quern
