// The first steps of compress: open, choose, plan.
#include "forecast/preview.h"

#include <algorithm>
#include <iterator>

#include "compress/sizing.h"
#include "runtime/allowed_memory.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

void check_files(const CompressOptions& options) {
  OutputFolder::check_target(options.output, options.existing);
  if (!options.statistics.empty()) File{options.statistics};
}

}  // namespace

CompressPreview preview(Preparation& prep) {
  const CompressOptions& options = prep.options;
  check_files(options);
  prep.read_texts();
  const Plan plan = prep.plan();
  if (options.size || options.bound.is_set()) survey_design(prep);  // refuses what it would refuse
  const OpenModel& source = prep.source;
  CompressPreview p{.architecture = source.spec.architecture,
                    .source_format = source.checkpoint.format(),
                    .parameters = source.parameters(),
                    .source_bytes = source.file_bytes(),
                    .scheme = plan.scheme,
                    .format = plan.format,
                    .tensor_bytes = plan.tensor_bytes(),
                    .memory = allowed_memory(options.machine),
                    .threads = prep.pool.threads(),
                    .precision = prep.setup.precision,
                    .notes = prep.notes_of(plan)};
  p.time = expected_time(prep, plan, likely_walks(prep));
  if (options.size) {
    p.most_bytes = most_bytes(prep);
  } else {
    std::ranges::copy(prep.loading_notes(plan), std::back_inserter(p.notes));
    p.model_bytes = prep.bytes_of(plan);
  }
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
                       {"seconds", p.time ? to_json(*p.time) : Json()},
                       {"notes", Json::Array(p.notes.begin(), p.notes.end())}});
}

}  // namespace quern
