// Opening in an order that refuses what cannot work before it takes time or touches the output.
#include "pipeline/compression.h"

#include "pipeline/package.h"
#include "pipeline/run_identity.h"
#include "quern/error.h"

namespace quern {
namespace {

using Unfinished = OutputFolder::Unfinished;

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

SchemeChoice scheme_for(const CompressOptions& options, const OpenModel& source) {
  check_can_run(options, source);
  return choose_scheme(options.scheme, options.format, source);
}

// The container asked for, or the scheme's. Error(kUsage) where a size is asked for that cannot be kept to.
const Format& format_for(const CompressOptions& options, const Scheme& scheme) {
  const Format& format = find_format(options.format.empty() ? scheme.format : options.format);
  if (!options.size) return format;
  if (!format.file_bytes)
    fail(ErrorCode::kUsage, "sizes of {} are known only when it is written; use --format gguf with a size",
         format.name);
  if (!options.precision_map.empty())
    throw Error(ErrorCode::kUsage,
                "a size chooses the number formats that --precision-map would set; give one of the two");
  return format;
}

Unfinished unfinished_of(const CompressOptions& options) {
  return options.start == CompressOptions::Start::kResume ? Unfinished::kKeep : Unfinished::kRemove;
}

}  // namespace

Compression::Compression(const CompressOptions& opt, Observer& obs)
    : options(opt),
      observer(obs),
      pool(opt.machine.threads),
      source(opt.input, Unrecognised::kList),
      choice(scheme_for(opt, source)),
      scheme(*choice.scheme),
      format(format_for(opt, scheme)),
      names(export_map(source, format)),
      setup(evaluation_setup(opt.machine, source.spec, pool.threads(), text_window(source.spec))),
      out(opt.output, opt.existing, unfinished_of(opt)),
      texts(load_compress_texts(opt, source.checkpoint, text_window(source.spec))),
      source_files(hash_files(source.checkpoint, pool)),
      journal(out.path(), to_json(RunIdentity{opt, source, source_files, texts, scheme, format, setup.precision})) {}

}  // namespace quern
