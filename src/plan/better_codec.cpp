// More bits that are worth having.
#include "plan/better_codec.h"

#include "plan/reach.h"

namespace quern {

const Codec* next_better_codec(const Codec& codec, const Format& format, std::uint64_t cols) {
  const double least_bits = codec.bits_per_weight + kWorthwhileBits;
  const Reach reach = reach_of(codec) == Reach::kVectors ? Reach::kVectors : Reach::kScalar;
  const Codec* best = nullptr;
  for (const Codec* other : codecs())
    if (other->use == Codec::Use::kAny && reach_of(*other) <= reach && other->bits_per_weight >= least_bits &&
        format.holds(other->name, cols) && other->divides(cols))
      best = other;
  return best;
}

}  // namespace quern
