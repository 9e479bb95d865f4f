// The second phase: the three texts of a compression, as windows: what the statistics see, what decides, what is only
// reported.
#pragma once

#include <optional>

#include "compress/opened.h"
#include "report/report.h"
#include "survey/survey_design.h"
#include "tokenizer/texts.h"

namespace quern {

// A text cut into windows, and what a report says of it.
struct CutText {
  Windows windows;
  TextUse use;
};

// How matrices are measured: which of them as one, and on what.
struct SurveyText {
  SurveyDesign design;
  Windows windows;  // of the gate text, spread evenly
};

struct CompressTexts {
  std::optional<CutText> calibration, gate, report;
  std::optional<SurveyText> survey;  // where matrices may be measured on the gate text
  std::vector<std::string> notes;    // of the files
};

// When the text that decides is cut: where a bound or a size has it decide, or wherever one is given.
enum class GateText { kWhereNeeded, kWhereGiven };

// Error(kUsage) when a bound or a size is asked for and no text can decide it, or a text is given that decides nothing,
// or there are fewer passes than a survey takes; Error(kInput) for texts that cannot be used.
CompressTexts read_texts(const Opened& opened, GateText gate = GateText::kWhereNeeded);

// Whether anything is computed with the weights before they are encoded.
bool computes_before_encoding(const Opened& opened, const CompressTexts& texts);

// `count` windows spread evenly.
Windows spread(const Windows& from, std::size_t count);

}  // namespace quern
