// When it is full, words that are not in it are cut again each time.
#include "tokenizer/word_cache.h"

namespace quern {

void WordCache::append(std::string_view word, std::vector<std::int32_t>& ids) {
  auto found = known_.end();
  if (word.size() <= kLongest) found = known_.find(word);
  if (found == known_.end()) {
    if (word.size() > kLongest || known_.size() == kMost) return model_.encode(word, ids);
    const std::size_t first = pool_.size();
    model_.encode(word, pool_);
    found = known_.emplace(word, Range{first, pool_.size() - first}).first;
  }
  const auto begin = pool_.begin() + static_cast<std::ptrdiff_t>(found->second.first);
  ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(found->second.count));
}

}  // namespace quern
