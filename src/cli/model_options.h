// What compress and plan ask alike: the model, its number formats or a size, texts and statistics.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/standard_input.h"
#include "quern/compress_options.h"

namespace quern::cli {

struct ModelOptions {
  CompressOptions compress;
  SharedOptions shared;
  std::string max_perplexity_increase, max_kld;
  std::string target_size, target_bpw, min_ratio, mode = "auto";
  bool damage = false;

  // `compress` with what is a string here. Error(kUsage) where one cannot be read.
  CompressOptions& resolved();
  // What "-" is given for among the files, as long as it lives.
  StandardInput standard_input();
};

// Headings of options that come after the common ones.
inline constexpr const char* kMoreSizes = "More options, a size to keep to";
inline constexpr const char* kMoreTexts = "More options, texts and statistics";
inline constexpr const char* kMoreChoices = "More options, choices and machine";

// MODEL, --scheme, --format, --calib.
void add_model(CLI::App& app, ModelOptions& o);
// --mode, --target-size, then, under their own heading, --target-bpw and --min-ratio.
void add_target_size(CLI::App& app, ModelOptions& o);
void add_other_sizes(CLI::App& app, ModelOptions& o);
// --imatrix, --gate-text and how many windows.
void add_texts(CLI::App& app, ModelOptions& o);
// --precision-map, --optimizer, --allow-damage, --compute, --threads, --json, --quiet, --verbose.
void add_choices(CLI::App& app, ModelOptions& o);

}  // namespace quern::cli
