// What a compression chooses from its options before anything is read: scheme and container.
#pragma once

#include "pipeline/compress.h"
#include "pipeline/scheme_choice.h"

namespace quern {

// Error(kInput) where a text is to be run through a model that nothing recognises.
SchemeChoice scheme_for(const CompressOptions& options, const OpenModel& source);

// The container asked for, or the scheme's. Error(kUsage) where a size is asked for that cannot be kept to.
const Format& format_for(const CompressOptions& options, const Scheme& scheme);

}  // namespace quern
