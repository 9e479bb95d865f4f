// By what encoding takes.
#include "plan/reach.h"

namespace quern {

Reach reach_of(const Codec& codec) {
  if (codec.is_measured() || codec.train) return Reach::kAll;
  return codec.granule > 1 ? Reach::kVectors : Reach::kScalar;
}

}  // namespace quern
