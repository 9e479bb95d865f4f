// The three texts of a compression, as windows: what the statistics see, what decides, what is only reported.
#pragma once

#include <optional>

#include "format/checkpoint.h"
#include "model/model_spec.h"
#include "quern/compress_options.h"
#include "report/report.h"
#include "text/texts.h"

namespace quern {

// Tokens of a window: 512, as llama-perplexity and llama-imatrix use by default, or the model's context where that is
// shorter.
std::size_t text_window(const ModelSpec& spec);

struct CompressTexts {
  std::optional<Windows> calibration, gate, report;
  std::optional<TextUse> calibration_use, gate_use, report_use;
};

// When the text that decides is cut: where a bound or a size has it decide, or wherever one is given.
enum class GateText { kWhereNeeded, kWhereGiven };

// Error(kUsage) when a bound or a size is asked for and no text can decide it, or a text is given that decides nothing.
void check_text_options(const CompressOptions& options, GateText gate = GateText::kWhereNeeded);

// As check_text_options, and Error(kInput) for texts that cannot be used.
CompressTexts load_compress_texts(const CompressOptions& options, const Checkpoint& source, std::size_t window,
                                  GateText gate = GateText::kWhereNeeded);

}  // namespace quern
