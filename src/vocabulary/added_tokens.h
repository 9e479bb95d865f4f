// The pieces that a Hugging Face folder adds to a vocabulary beside its main file.
#pragma once

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// "added_tokens_decoder" of tokenizer_config.json: {"32000": {"content": "<pad>", "special": true}}. New pieces go
// behind the last one, as control pieces where they are special; ids without any become unused pieces "[PAD7]". An id
// of the vocabulary gives its piece this text. Error(kInput) where the text has another id there, where more than
// PieceTable::kMaxHoles ids are without a piece, or where merges give the piece another text.
void add_added_tokens_decoder(Vocabulary& vocabulary, const Json& decoder);

// A token of tokenizer.json or of "added_tokens_decoder": its text, whether it is special, and what it takes of a text.
Vocabulary::Piece added_piece(const Json& token);

// added_tokens.json: {"<pad>": 32000}.
void add_added_tokens(Vocabulary& vocabulary, const Json& ids);

}  // namespace quern
