// Merges of byte-pair encoding, and applying them to the symbols of a word.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern {

// Ids by text, of texts that stay where they are.
using ViewIds = std::unordered_map<std::string_view, std::int32_t>;

class MergeTable {
 public:
  // `part_prefix` is what the right piece of a merge loses where the two join. Error(kInput) for a merge of ids outside
  // the vocabulary, whose result is no piece, or that is there twice.
  MergeTable(const Vocabulary& vocabulary, const ViewIds& ids, std::string_view part_prefix);

  // Of all neighbours that have a merge, those of the best rank join, the leftmost first, until none is left. Appends
  // what remains.
  void apply(std::span<std::int32_t> symbols, std::vector<std::int32_t>& ids) const;

 private:
  struct Result {
    std::int32_t rank = 0, piece = 0;
  };
  struct Slot {
    std::uint64_t key = kNoKey;
    Result result;
  };
  static constexpr std::uint64_t kNoKey = ~std::uint64_t{0};

  const Result* find(std::int32_t left, std::int32_t right) const;
  bool insert(std::int32_t left, std::int32_t right, Result result);
  void apply_to_few(std::span<std::int32_t> symbols, std::vector<std::int32_t>& ids) const;
  void apply_to_many(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& ids) const;

  std::vector<Slot> slots_;  // open addressing by left << 32 | right; a power of two, at most half full
};

}  // namespace quern
