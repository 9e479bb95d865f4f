// Pieces and merges as JSON tables and text files give them, gathered into a vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/tokenizer.h"

namespace quern {

// Merges as "LEFT RIGHT". Error(kInput) when one is not two words, or names an unknown piece.
std::vector<Vocabulary::Merge> merges_of_lines(const std::vector<std::string>& lines,
                                               const std::vector<Vocabulary::Piece>& pieces);

// Ids up to `size` that no file gives a text become unused pieces.
void fill_with_unused(std::vector<Vocabulary::Piece>& pieces, std::size_t size);

class PieceTable {
 public:
  // An object of text -> id; the pieces are normal ones. Error(kInput) for an id that is negative, beyond 32 bits or
  // taken by another text.
  void add_vocabulary(const Json& ids);
  // Error(kInput) as above.
  void add_piece(Vocabulary::Piece piece, std::int64_t id);
  // A piece that is found before the text is split; it may be in the vocabulary already, under the same id.
  void add_added(Vocabulary::Piece piece, std::int64_t id);
  void add_merge(std::string_view line);  // as of merges_of_lines
  void add_merge(std::string_view left, std::string_view right);

  // -1: none.
  std::int32_t find(std::string_view text) const;

  // Ids without a piece become unused pieces "[PAD7]", as llama.cpp's converter writes them. Error(kInput) when there
  // are more than kMaxHoles of them, or no piece at all.
  void move_into(Vocabulary& vocabulary);

  static constexpr std::int64_t kMaxHoles = 65536;

 private:
  struct Numbered {
    std::int32_t id = 0;
    Vocabulary::Piece piece;
  };
  std::vector<Numbered> pieces_;                          // in the order in which they came
  std::unordered_map<std::int32_t, std::size_t> places_;  // in pieces_, by id
  TextIds ids_;
  std::vector<Vocabulary::Merge> merges_;
};

}  // namespace quern
