// Words that one call has met, with their ids: most words of a text come again. Long ones hardly do.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/byte_bpe.h"
#include "tokenizer/word_model.h"

namespace quern {

class WordCache {
 public:
  explicit WordCache(const WordModel& model) : model_(model) {}

  void append(std::string_view word, std::vector<std::int32_t>& ids);

 private:
  static constexpr std::size_t kLongest = 64, kMost = 1 << 18;  // bytes, words
  struct Range {
    std::size_t first = 0, count = 0;
  };
  const WordModel& model_;
  std::unordered_map<std::string, Range, TextHash, std::equal_to<>> known_;
  std::vector<std::int32_t> pool_;
};

}  // namespace quern
