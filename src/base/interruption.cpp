// The one non-virtual part of Observer.
#include "base/interruption.h"

#include "quern/error.h"

namespace quern {

void check_interrupted(const Observer& observer) {
  if (observer.interrupted())
    throw Error(ErrorCode::kInterrupted, "interrupted; what was not finished is gone, run the command again");
}

}  // namespace quern
