// Where a text with U+2581 for each space may be cut without changing its pieces.
#pragma once

#include <functional>
#include <string_view>

#include "tokenizer/vocabulary.h"

namespace quern {

inline constexpr std::string_view kSpaceMark = "\u2581";  // stands for a space in sentencepiece's pieces

// Whether no piece goes on behind a word into the mark of the next, and the mark is a piece: then every segmentation
// has a boundary wherever the mark follows another character.
bool ends_at_marks(const Vocabulary& vocabulary);

// The parts between these boundaries, in order.
void cut_at_marks(std::string_view text, const std::function<void(std::string_view)>& take);

}  // namespace quern
