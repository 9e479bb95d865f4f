// Work between two steps of an Observer.
#pragma once

#include "quern/observer.h"

namespace quern {

// Throws Error(kInterrupted) when the observer asks for it.
void check_interrupted(const Observer& observer);

}  // namespace quern
