// Plans for a size, and which sizes a model can have in a container.
#pragma once

#include <cstdint>

#include "compress/opened.h"
#include "plan/reach.h"
#include "plan/size_search.h"

namespace quern {

struct SizeRange {
  std::uint64_t least = 0, most = 0;  // bytes of the files: the fewest bits everywhere, and as precise as the source
};

// The kinds of number formats that are tried on the model. Several weights a code only in containers whose programs
// load any mix, and where the size is small enough for them to be chosen.
Reach search_reach(const Opened& opened);

// Plans within `most` bytes that differ from `base` in their number formats. REQUIRES: the arguments outlive it.
SizeSearch size_search(const Opened& opened, const Plan& base, std::span<const StepOptions> options,
                       std::uint64_t most);

// The bytes that options.size allows. REQUIRES: it is set.
std::uint64_t most_bytes(const Opened& opened);

// By the shapes alone. A survey may find the least to lose too much, so that it is a bound.
SizeRange size_range(const Opened& opened);

// Error(kInfeasible) with the range, where options.size asks for less than the least. Takes no time to speak of.
void check_size_is_possible(const Opened& opened);

}  // namespace quern
