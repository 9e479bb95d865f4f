// Scheme and container, or why the options do not go together.
#include "pipeline/compress_choice.h"

#include "quern/error.h"

namespace quern {
namespace {

// Error(kInput) where a text is to be run through a model that nothing recognises.
void check_can_run(const CompressOptions& options, const OpenModel& source) {
  const bool runs = options.bound.is_set() || !options.calibration_text.empty() || !options.gate_text.empty() ||
                    !options.report_text.empty() || !options.statistics.empty();
  if (runs && !source.can_run())
    fail(ErrorCode::kInput,
         "no architecture recognises {} ({}), so no text can be run through it: leave out --calib, --imatrix, "
         "--gate-text, --report-text, --max-ppl-increase and --max-kld to compress it without measuring its quality",
         source.checkpoint.path().string(), source.spec.evidence.front().source);
}

}  // namespace

SchemeChoice scheme_for(const CompressOptions& options, const OpenModel& source) {
  check_can_run(options, source);
  return choose_scheme(options.scheme, options.format, source);
}

const Format& format_for(const CompressOptions& options, const Scheme& scheme) {
  const Format& format = find_format(options.format.empty() ? scheme.format : options.format);
  if (options.size && !options.precision_map.empty())
    throw Error(ErrorCode::kUsage,
                "a size chooses the number formats that --precision-map would set; give one of the two");
  return format;
}

}  // namespace quern
