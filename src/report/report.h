// What was measured, as data: the JSON and the model card are drawn from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "measure/divergence.h"
#include "plan/fallback.h"
#include "plan/size_search.h"
#include "report/manifest.h"
#include "report/tensor_facts.h"

namespace quern {

// A text that was used, and for what.
struct TextUse {
  std::string path, sha256;
  std::uint64_t windows = 0, window_length = 0;  // in tokens
};

// One plan that was tried.
struct Trial {
  Plan plan;
  std::optional<Quality> gate;        // absent when no bound was asked for
  std::uint64_t encoded_tensors = 0;  // the others were taken over from earlier files
};

// A tensor that was written, with what was measured of it.
struct ReportedTensor {
  PlanStep step;
  EncodeError error;
  TensorFacts facts;
};

struct Report {
  std::string model_name, architecture, command;
  std::string source_name;  // of the folder or file that it was made from
  std::string quantized;    // how the source's matrices were quantized already; empty: they were not
  std::uint64_t copied_tensors = 0, copied_bytes = 0;  // that are no part of the model, as they are stored
  std::string contents;       // "q4_k_m", or "mostly q5_k" where number formats are not a scheme's own
  std::string source_sha256;  // combined_hash of the source's files
  std::uint64_t parameters = 0;
  std::uint64_t source_bytes = 0;  // files as they came: weights, configuration, tokenizer
  std::uint64_t output_bytes = 0;  // files that a runtime needs, everything counted
  std::string instruction_set, precision;
  std::optional<TextUse> calibration, gate_text, report_text;
  bool report_text_was_seen = false;  // it is the calibration or gate text too
  QualityBound bound;
  bool accepted = true;
  bool can_run = true;                  // false: no architecture recognises the model
  std::vector<Trial> ladder;            // in the order tried; the last one is what was written
  std::vector<ReportedTensor> tensors;  // of the last trial, in file order
  std::optional<SizeChoice> size;       // absent when no size was asked for
  std::optional<Quality> quality;       // on the report text
  std::vector<std::string> notes;
  double seconds = 0;

  // What the figures are compared with.
  const char* source_word() const { return quantized.empty() ? "original" : "quantized source"; }
  std::uint64_t fp32_bytes() const { return 4 * parameters; }
  double bits_per_weight(std::uint64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters);
  }
};

Json to_json(const TextUse& text);
Json to_json(const Quality& quality);
Json to_json(const Report& report);
struct CardFacts;
// Markdown behind YAML for the hub. `weights_file`: what to hand to the runtime.
std::string model_card(const Report& report, const Manifest& manifest, const std::string& weights_file,
                       const CardFacts& facts);

}  // namespace quern
