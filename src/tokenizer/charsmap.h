// sentencepiece's precompiled table of normalisation rules, as the Python package tokenizers applies it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quern {

class Charsmap {
 public:
  // The bytes of the table (vocabulary_check.h has the layout). Error(kInput) when it is broken.
  explicit Charsmap(std::string table);

  // NOTE: not what sentencepiece itself does, which takes the longest rule at each place: here a character with its
  // marks is replaced whole by the shortest rule that it begins with, where it has fewer than 6 bytes, and each code
  // point by itself otherwise.
  std::string normalize(std::string_view text) const;

 private:
  // By the shortest rule that `text` begins with.
  std::optional<std::string_view> replacement(std::string_view text) const;
  std::uint32_t unit(std::size_t i) const;

  std::string table_;
  std::size_t units_ = 0;
};

}  // namespace quern
