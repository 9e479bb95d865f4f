// More bits that are worth having.
#include "plan/better_codec.h"

namespace quern {

const Codec* next_better_codec(const Codec& codec, const Format& format, std::uint64_t cols) {
  const double least_bits = codec.bits_per_weight + kWorthwhileBits;
  const Codec* best = nullptr;
  for (const Codec* other : codecs())
    if (other->use == Codec::Use::kAny && !other->is_measured() && !other->train && other->granule == 1 &&
        other->bits_per_weight >= least_bits && format.holds(other->name, cols) && other->divides(cols))
      best = other;
  return best;
}

}  // namespace quern
