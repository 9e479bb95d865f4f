// The first steps of compress: open, choose, plan.
#include "pipeline/preview.h"

#include <algorithm>
#include <iterator>

#include "pipeline/compress_choice.h"
#include "pipeline/compress_texts.h"
#include "pipeline/package.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

void check_files(const CompressOptions& options) {
  check_output(options.output, options.input, options.existing);
  OutputFolder::check_target(options.output, options.existing);
  check_text_options(options);
  for (const fs::path& path : {options.calibration_text, options.statistics, options.gate_text, options.report_text})
    if (!path.empty()) File{path};
}

}  // namespace

CompressPreview preview(const CompressOptions& options) {
  check_files(options);
  const bool mapped = !options.precision_map.empty();
  const PrecisionMap map = mapped ? read_precision_map(options.precision_map) : PrecisionMap();
  const ThreadPool pool(options.machine.threads);
  const OpenModel source(options.input, Unrecognised::kList);
  const SchemeChoice choice = scheme_for(options, source);
  const Format& format = format_for(options, *choice.scheme);
  const ExportMap names = export_map(source, format);
  const EvaluationSetup setup =
      evaluation_setup(options.machine, source.spec, pool.threads(), text_window(source.spec));
  const Plan plan =
      make_plan({*choice.scheme, format, source.spec, names, source.checkpoint, "", "", mapped ? &map : nullptr});
  CompressPreview p{.architecture = source.spec.architecture,
                    .source_format = source.checkpoint.format(),
                    .parameters = source.parameters(),
                    .source_bytes = source.file_bytes(),
                    .scheme = plan.scheme,
                    .format = plan.format,
                    .tensor_bytes = plan.tensor_bytes(),
                    .memory = allowed_memory(options.machine),
                    .threads = pool.threads(),
                    .precision = setup.precision,
                    .notes = plan.notes};
  if (options.size) {
    p.most_bytes = most_bytes(*options.size, p.parameters, p.source_bytes);
  } else {
    p.model_bytes = package_bytes(plan, names, source, *choice.scheme);
  }
  if (!choice.note.empty()) p.notes.insert(p.notes.begin(), choice.note);
  std::ranges::copy(names.notes, std::back_inserter(p.notes));
  std::ranges::copy(assumed_values(source.spec), std::back_inserter(p.notes));
  return p;
}

Json to_json(const CompressPreview& p) {
  return Json::object({{"architecture", p.architecture},
                       {"source_format", p.source_format},
                       {"parameters", p.parameters},
                       {"source_bytes", p.source_bytes},
                       {"scheme", p.scheme},
                       {"format", p.format},
                       {"tensor_bytes", p.tensor_bytes},
                       {"model_bytes", json_or_null(p.model_bytes)},
                       {"most_bytes", json_or_null(p.most_bytes)},
                       {"memory", p.memory},
                       {"threads", p.threads},
                       {"precision", std::string(to_string(p.precision))},
                       {"notes", Json::Array(p.notes.begin(), p.notes.end())}});
}

}  // namespace quern
