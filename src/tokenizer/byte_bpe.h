// Byte-pair merging of one word.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_model.h"

namespace quern {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
// Ids by text; looked up without copying the text.
using TextIds = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

// Of the pieces that a word can become.
TextIds model_ids(const Vocabulary& vocabulary);

class ByteBpe : public WordModel {
 public:
  // Error(kInput) for a merge of ids outside the vocabulary, whose result is no piece, or that is there twice.
  explicit ByteBpe(const Vocabulary& vocabulary);

  // Any bytes. Error(kInput) when one has no piece and there is no unknown piece.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override;

 private:
  ByteBpe(const Vocabulary& vocabulary, const ViewIds& ids);
  std::int32_t piece_of_byte(char byte) const;

  std::array<std::int32_t, 256> byte_pieces_{};  // -1: none
  MergeTable merges_;
  TextIds words_;  // pieces by their bytes; only with ignore_merges
  std::int32_t unknown_ = -1;
};

}  // namespace quern
