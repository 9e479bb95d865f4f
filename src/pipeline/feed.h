// Long inputs of a sequence, with room for a person to stop.
#pragma once

#include <algorithm>
#include <span>

#include "quern/observer.h"
#include "runtime/sequence.h"

namespace quern {

// The same as sequence.feed(ids), a chunk at a time. Error(kInterrupted) between chunks.
inline std::span<const float> feed_interruptibly(Sequence& sequence, std::span<const std::int32_t> ids,
                                                 const Observer& observer) {
  constexpr std::size_t kChunk = 64;  // as the sequence itself cuts them, so that results are the same
  while (ids.size() > kChunk) {
    check_interrupted(observer);
    sequence.feed(ids.first(kChunk));
    ids = ids.subspan(kChunk);
  }
  check_interrupted(observer);
  return sequence.feed(ids);
}

}  // namespace quern
