// Splitting by document, tokenising, cutting.
#include "compress/compress_texts.h"

#include <algorithm>

#include "base/fail.h"
#include "base/sha256.h"
#include "format/load_tokenizer.h"

namespace quern {
namespace {

constexpr std::size_t kUsualWindow = 512;

TextUse use_of(const std::filesystem::path& path, const std::string& note, const std::string& text,
               const Windows& windows) {
  return {path.string() + note, sha256_of(std::as_bytes(std::span(text))), windows.count(), windows.length};
}

bool needs_gate(const CompressOptions& options, GateText gate) {
  return gate == GateText::kWhereGiven || options.bound.is_set() || options.size.has_value();
}

// Whether the text that decides has nothing to decide but how codes are chosen.
bool chooses_optimizer(const CompressOptions& options) {
  return options.optimizer == kMeasuredOptimizer && options.plan.empty() && !options.calibration_text.empty();
}

// Windows that tell which of two optimizers is better: as many as a survey takes.
constexpr std::size_t kChoiceWindows = 12;

// Whether a text has a window.
bool is_enough(const std::string& text, const Tokenizer& tokenizer, std::size_t window) {
  return tokenizer.encode(text).size() >= window;
}

}  // namespace

std::size_t text_window(const ModelSpec& spec) {
  const auto context = spec.extents.find("context");
  return context == spec.extents.end() ? kUsualWindow : std::min<std::size_t>(kUsualWindow, context->second);
}

void check_text_options(const CompressOptions& options, GateText gate) {
  if (options.size && options.calibration_text.empty() && options.gate_text.empty())
    throw Error(ErrorCode::kUsage,
                "a size is shared out by measuring what each matrix loses: give `calibration_text` (a fifth of it is "
                "kept apart for that) or `gate_text`");
  if (options.bound.is_set() && options.calibration_text.empty() && options.gate_text.empty())
    throw Error(ErrorCode::kUsage,
                "a quality bound needs a text that decides it: give `calibration_text` (a fifth of it is kept apart) "
                "or `gate_text`");
  if (!options.gate_text.empty() && !needs_gate(options, gate))
    throw Error(ErrorCode::kUsage,
                "`gate_text` decides a bound or a size, and none was given: add `bound.max_perplexity_increase`, "
                "`bound.max_kld` or `size`");
}

CompressTexts load_compress_texts(const CompressOptions& options, const Checkpoint& source, std::size_t window,
                                  GateText gate) {
  check_text_options(options, gate);
  CompressTexts texts;
  const auto load = [&](const std::filesystem::path& path, const std::string& note, const std::string& text,
                        std::size_t limit, const Tokenizer& tokenizer, std::optional<Windows>& windows,
                        std::optional<TextUse>& use) {
    windows = with_context("while cutting windows from " + path.string(),
                           [&] { return make_windows(tokenizer, text, window, limit); });
    use = use_of(path, note, text, *windows);
  };
  if (options.calibration_text.empty() && options.gate_text.empty() && options.report_text.empty()) return texts;
  const Tokenizer tokenizer = load_tokenizer(source);
  if (!options.calibration_text.empty()) {
    const std::string text = load_text(options.calibration_text);
    const TextSplit split =
        with_context("while splitting " + options.calibration_text.string(), [&] { return split_text(text); });
    if (options.statistics.empty())
      load(options.calibration_text, " (four documents of five)", split.calibration, options.calibration_windows,
           tokenizer, texts.calibration, texts.calibration_use);
    if (options.gate_text.empty() && needs_gate(options, gate))
      load(options.calibration_text, " (every fifth document)", split.gate, options.gate_windows, tokenizer, texts.gate,
           texts.gate_use);
    else if (options.gate_text.empty() && chooses_optimizer(options) && is_enough(split.gate, tokenizer, window))
      load(options.calibration_text, " (every fifth document)", split.gate, kChoiceWindows, tokenizer, texts.gate,
           texts.gate_use);
  }
  if (!options.gate_text.empty())
    load(options.gate_text, "", load_text(options.gate_text), options.gate_windows, tokenizer, texts.gate,
         texts.gate_use);
  if (!options.report_text.empty())
    load(options.report_text, "", load_text(options.report_text), options.report_windows, tokenizer, texts.report,
         texts.report_use);
  return texts;
}

}  // namespace quern
