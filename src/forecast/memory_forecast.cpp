// The larger of the phases: collecting statistics, or comparing two models on a text.
#include "forecast/memory_forecast.h"

#include <algorithm>

#include "calib/hessian_passes.h"
#include "compress/memory_choice.h"
#include "runtime/allowed_memory.h"

namespace quern {
namespace {

// The program itself with its tables, and what a thread that encodes holds: measured.
constexpr std::uint64_t kProgram = std::uint64_t{24} << 20, kEncodingThread = std::uint64_t{6} << 20;

// Hidden states of all windows, as far as they are kept in memory.
std::uint64_t states_of(const Opened& opened, const std::optional<CutText>& text) {
  if (!text) return 0;
  const std::uint64_t bytes =
      text->windows.count() * text->windows.length * opened.source.spec.extent("hidden") * sizeof(float);
  return bytes > opened.setup.memory_limit ? 0 : bytes;
}

// Of the head, most often, of which a comparison has two in float.
std::uint64_t largest_matrix(const ModelSpec& spec) {
  std::uint64_t most = 0;
  for (const Weight& weight : spec.weights) most = std::max(most, weight.elements() / weight.experts());
  return most * sizeof(float);
}

std::uint64_t hessians_of(const Opened& opened, const CompressTexts& texts) {
  if (!texts.calibration || !wants_hessians(opened, texts)) return 0;
  const ModelSpec& spec = opened.source.spec;
  const GatherShape shape = gather_shape(spec, texts.calibration->windows.length, opened.pool().threads());
  return std::min(hessian_bytes(spec, shape).one_pass, opened.hessian_memory());
}

}  // namespace

std::uint64_t expected_memory(const Opened& opened, const CompressTexts& texts) {
  const unsigned threads = opened.pool().threads();
  std::uint64_t bytes = kProgram + threads * kEncodingThread;
  if (opened.source.can_run() && (texts.calibration || texts.gate || texts.report)) {
    const ModelSpec& spec = opened.source.spec;
    const std::uint64_t calibrating = states_of(opened, texts.calibration) + hessians_of(opened, texts);
    const std::uint64_t states = std::max(states_of(opened, texts.gate), states_of(opened, texts.report));
    const std::uint64_t measuring = texts.gate || texts.report ? 2 * (states + largest_matrix(spec)) : 0;
    bytes += reserved_bytes(spec, threads, text_window(spec)) + std::max(calibrating, measuring);
  }
  return std::min(bytes, allowed_memory(opened.options.machine));
}

}  // namespace quern
