// A word starts as its bytes, which merges join.
#include "tokenizer/byte_bpe.h"

#include "base/fail.h"
#include "tokenizer/byte_alphabet.h"

namespace quern {
namespace {

ViewIds ids_of(const Vocabulary& vocabulary) {
  ViewIds ids;
  ids.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    ids.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  return ids;
}

}  // namespace

TextIds model_ids(const Vocabulary& vocabulary) {
  TextIds ids;
  ids.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (const Vocabulary::Piece& piece = vocabulary.pieces[i]; piece.in_model)
      ids.emplace(piece.text, static_cast<std::int32_t>(i));
  return ids;
}

ByteBpe::ByteBpe(const Vocabulary& vocabulary) : ByteBpe(vocabulary, ids_of(vocabulary)) {}

ByteBpe::ByteBpe(const Vocabulary& vocabulary, const ViewIds& ids)
    : merges_(vocabulary, ids, ""), unknown_(vocabulary.unknown) {
  for (std::size_t i = 0; vocabulary.ignore_merges && i < vocabulary.pieces.size(); ++i)
    if (const auto bytes = bytes_of_alphabet(vocabulary.pieces[i].text); bytes && vocabulary.pieces[i].in_model)
      words_.emplace(*bytes, static_cast<std::int32_t>(i));
  for (std::size_t byte = 0; byte < byte_pieces_.size(); ++byte) {
    const char c = static_cast<char>(byte);
    const auto found = ids.find(alphabet_of_bytes(std::string_view(&c, 1)));
    byte_pieces_[byte] = found == ids.end() ? -1 : found->second;
  }
}

std::int32_t ByteBpe::piece_of_byte(char byte) const {
  const std::int32_t piece = byte_pieces_[static_cast<std::uint8_t>(byte)];
  if (piece >= 0) return piece;
  if (unknown_ < 0)
    fail(ErrorCode::kInput, "the vocabulary has no piece for the byte 0x{:02x} of the text, and no unknown piece",
         static_cast<std::uint8_t>(byte));
  return unknown_;
}

void ByteBpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (const auto whole = words_.find(word); whole != words_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<std::int32_t> symbols(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) symbols[i] = piece_of_byte(word[i]);
  merges_.apply(symbols, ids);
}

}  // namespace quern
