// Splitting by document, tokenising, cutting.
#include "compress/compress_texts.h"

#include <algorithm>

#include "base/fail.h"
#include "base/sha256.h"
#include "compress/size_range.h"

namespace quern {
namespace {

CutText cut(const std::filesystem::path& path, const std::string& note, const std::string& text, std::size_t limit,
            const Opened& opened) {
  Windows windows = with_context("while cutting windows from " + path.string(), [&] {
    return make_windows(opened.tokenizer.get(), text, text_window(opened.source.spec), limit);
  });
  TextUse use{path.filename().string() + note, sha256_of(std::as_bytes(std::span(text))), windows.count(),
              windows.length};
  return {std::move(windows), std::move(use)};
}

bool measures_sequence(const CompressOptions& options) {
  return options.sequence == CompressOptions::Sequence::kMeasure;
}

bool needs_gate(const CompressOptions& options, GateText gate) {
  return gate == GateText::kWhereGiven || options.bound.is_set() || options.size.has_value() ||
         measures_sequence(options);
}

// Whether the text that decides has nothing to decide but how codes are chosen.
bool chooses_optimizer(const CompressOptions& options) {
  return options.optimizer == kMeasuredOptimizer && options.plan.empty() && !options.calibration_text.empty();
}

// Windows that tell which of two optimizers is better: as many as a survey takes.
constexpr std::size_t kChoiceWindows = 12;

// Whether a text has a window.
bool is_enough(const std::string& text, const Opened& opened) {
  return opened.tokenizer.get().encode(text).size() >= text_window(opened.source.spec);
}

// Calibration text, and what of the file decides where no text of its own does.
void cut_calibration(const Opened& opened, GateText gate, CompressTexts& texts) {
  const CompressOptions& options = opened.options;
  const std::filesystem::path& path = options.calibration_text;
  const std::string text = load_text(path, &texts.notes);
  const TextSplit split = with_context("while splitting " + path.string(), [&] { return split_text(text); });
  if (options.statistics.empty())
    texts.calibration = cut(path, " (four documents of five)", split.calibration, options.calibration_windows, opened);
  if (!options.gate_text.empty()) return;
  if (needs_gate(options, gate))
    texts.gate = cut(path, " (every fifth document)", split.gate, options.gate_windows, opened);
  else if (chooses_optimizer(options) && is_enough(split.gate, opened))
    texts.gate = cut(path, " (every fifth document)", split.gate, kChoiceWindows, opened);
}

// How matrices are measured on the gate text.
SurveyText survey_text(const Opened& opened, const Windows& gate) {
  SurveyDesign design =
      design_survey(opened.source.spec, opened.names, {gate.count(), gate.length, opened.options.survey_passes});
  Windows windows = spread(gate, design.windows);
  return {std::move(design), std::move(windows)};
}

// Error(kUsage) when a bound or a size is asked for and no text can decide it, or a text is given that decides nothing.
void check_text_options(const CompressOptions& options, GateText gate) {
  if (options.size && options.calibration_text.empty() && options.gate_text.empty())
    throw Error(ErrorCode::kUsage,
                "a size needs a text, on which is measured what each matrix loses: add `calibration_text`, or "
                "`gate_text` alone");
  if (options.bound.is_set() && options.calibration_text.empty() && options.gate_text.empty())
    throw Error(ErrorCode::kUsage,
                "a quality bound needs a text to be measured on: add `calibration_text`, or `gate_text` alone");
  if (!options.gate_text.empty() && !needs_gate(options, gate))
    throw Error(ErrorCode::kUsage,
                "`gate_text` decides a bound, a size or `sequence`, and none was given: add "
                "`bound.max_perplexity_increase`, `bound.max_kld` or `size`");
}

}  // namespace

bool computes_before_encoding(const Opened& opened, const CompressTexts& texts) {
  return texts.calibration || opened.searches();
}

Windows spread(const Windows& from, std::size_t count) {
  if (from.count() <= count) return from;
  Windows some{.length = from.length, .ids = {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto window = from.window(i * from.count() / count);
    some.ids.insert(some.ids.end(), window.begin(), window.end());
  }
  return some;
}

CompressTexts read_texts(const Opened& opened, GateText gate) {
  const CompressOptions& options = opened.options;
  check_text_options(options, gate);
  if (options.size) check_size_is_possible(opened);
  CompressTexts texts;
  if (!options.calibration_text.empty()) cut_calibration(opened, gate, texts);
  if (!options.gate_text.empty())
    texts.gate = cut(options.gate_text, "", load_text(options.gate_text, &texts.notes), options.gate_windows, opened);
  if (!options.report_text.empty())
    texts.report =
        cut(options.report_text, "", load_text(options.report_text, &texts.notes), options.report_windows, opened);
  if (texts.gate) texts.survey = survey_text(opened, texts.gate->windows);
  return texts;
}

}  // namespace quern
