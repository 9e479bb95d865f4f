// compress --recipe and --stages: a chain of compressions in place of one.
#pragma once

#include <string>

#include "cli/model_options.h"

namespace quern::cli {

struct StageOptions {
  std::string recipe, stages;  // one of the two, or neither
  bool are_given() const { return !recipe.empty() || !stages.empty(); }
};

// Refused beside what decides a single compression.
void add_stages(CLI::App& app, StageOptions& o);
// Compresses, measures and shows the table. Exit status.
int run_stages(const StageOptions& stages, const CompressOptions& options, const SharedOptions& shared);

}  // namespace quern::cli
