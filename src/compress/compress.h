// The main job, right through: a checkpoint becomes a measured package.
#pragma once

#include "quern/compress_options.h"
#include "quern/observer.h"
#include "report/report.h"

namespace quern {

struct Preparation;

// Publishes `output`, or `output`.rejected when the bound could not be met (Report::accepted is false then). A run that
// is interrupted, or that runs out of memory or disk, leaves what it finished in `output`.partial; resumed, it ends
// with the same bytes. Error(kInput) or Error(kUsage) when what is to be resumed was begun with another input or others
// of those options that decide the bytes.
Report compress(const CompressOptions& options, Observer& observer);

// The same from a model that was opened before, for whoever looked at it first. REQUIRES: options.output is given.
Report compress(Preparation& preparation);

}  // namespace quern
