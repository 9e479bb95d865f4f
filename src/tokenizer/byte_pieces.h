// Pieces for single bytes, "<0x00>" to "<0xFF>": what a character that is no piece becomes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/byte_bpe.h"

namespace quern {

class BytePieces {
 public:
  // None where the vocabulary does not fall back to bytes. REQUIRES: it has a pipeline.
  BytePieces(const Vocabulary& vocabulary, const TextIds& ids);

  // Appends the pieces of all bytes; nothing, and false, where one of them has none.
  bool append(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  std::array<std::int32_t, 256> ids_{};  // -1: none
};

}  // namespace quern
