// Methods of compression one after the other, measured after every stage: what becomes of ratios that were multiplied.
//
// Of the literal chain each stage compresses what the one before it decodes to, so that its file alone is kept. Of the
// residual chain each stage compresses what is left of the model when all before it are taken off, so that all files
// are kept and added up. Beside either stands one number format, or a mix, that was given the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "chain/chain_stages.h"
#include "quern/compress_options.h"
#include "quern/observer.h"
#include "quern/quality.h"

namespace quern {

// What stands in files, and how far what they decode to is from the model.
struct MeasuredFiles {
  std::uint64_t bytes =
      0;  // that a runtime needs, everything counted: of the residual chain those of all stages so far
  Quality quality;
};

struct ChainRow {
  ChainStage stage;
  MeasuredFiles literal, residual;
  // Formats chosen by what they lose, for as many bytes; absent: no text to choose by, or no format is so small.
  std::optional<MeasuredFiles> once_literal, once_residual;
};

struct ChainReport {
  std::string model_name, command;
  std::uint64_t source_bytes = 0, parameters = 0;
  std::string text;  // that it was measured on
  std::vector<ChainRow> rows;
  std::vector<std::string> notes;
  double seconds = 0;
};

// Writes every stage's package, chain.json, chain.html and README.md into options.output. `options`: input, output,
// texts, machine; report_text is what the stages are measured on (Error(kUsage) without one), calibration_text what the
// formats beside them are chosen by. An interrupted run goes on with kResume.
ChainReport run_chain(const CompressOptions& options, const std::vector<ChainStage>& stages, Observer& observer);

// What the figures say, in one sentence.
std::string conclusion(const ChainReport& report);
Json to_json(const ChainReport& report);
std::string chain_markdown(const ChainReport& report);
std::string chain_page(const ChainReport& report);

}  // namespace quern
