// Finding the added pieces of a vocabulary in a text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_bpe.h"
#include "tokenizer/normalizers.h"

namespace quern {

class AddedPieces {
 public:
  // `rules` says what else of the text the piece takes, and where it counts. REQUIRES: `text` is not empty and was not
  // added before.
  void add(std::string text, std::int32_t id, const Vocabulary::Piece& rules);

  // What lies between added pieces goes to `plain` (never empty), the pieces to `piece`, in order. Of several that
  // begin at one place the longest counts. REQUIRES: UTF-8.
  void cut(std::string_view text, const std::function<void(std::string_view)>& plain,
           const std::function<void(std::int32_t)>& piece) const;

 private:
  struct Rules {
    std::int32_t id = 0;
    bool strips_left = false, strips_right = false, whole_word = false;
  };
  using Found = std::unordered_map<std::string, Rules, TextHash, std::equal_to<>>;

  // The piece that begins `text`, or null.
  const Found::value_type* longest_at(std::string_view text) const;

  Found pieces_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte, longest first
};

// The added pieces of a vocabulary: those that are found in the text as it is, and those of the normalised text.
struct AddedToTexts {
  AddedToTexts(const Vocabulary& vocabulary, const Normalizer& normalizer);

  AddedPieces raw, normalized;
};

}  // namespace quern
