// Byte-pair merging of one word.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace quern {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
// Ids by text; looked up without copying the text.
using TextIds = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

// As above, of texts that stay where they are.
using ViewIds = std::unordered_map<std::string_view, std::int32_t>;

class ByteBpe {
 public:
  // Error(kInput) for a merge of ids outside the vocabulary, whose result is no piece, or that is there twice.
  explicit ByteBpe(const Vocabulary& vocabulary);

  // Appends the ids of a word. Error(kInput) when it holds a byte that has no piece and there is no unknown piece.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Result {
    std::int32_t rank = 0, piece = 0;
  };
  const Result* find_merge(std::int32_t left, std::int32_t right) const;
  std::int32_t piece_of_byte(char byte) const;
  void index_merges(const Vocabulary& vocabulary, const ViewIds& ids);

  std::array<std::int32_t, 256> byte_pieces_{};       // -1: none
  std::unordered_map<std::uint64_t, Result> merges_;  // by left << 32 | right
  TextIds words_;                                     // pieces by their bytes; only with ignore_merges
  std::int32_t unknown_ = -1;
};

}  // namespace quern
