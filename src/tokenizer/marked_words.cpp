// The parts of one call share a cache.
#include "tokenizer/marked_words.h"

#include "tokenizer/mark_boundaries.h"
#include "tokenizer/word_cache.h"

namespace quern {

void MarkedWords::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (boundaries_ == Boundaries::kNone) return encode_part(word, ids);
  WordCache cache(parts_);
  cut_at_marks(word, [&](std::string_view part) { cache.append(part, ids); });
}

}  // namespace quern
