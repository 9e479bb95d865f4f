// The first steps of compress: open, choose, plan.
#include "forecast/preview.h"

#include <algorithm>
#include <iterator>

#include "base/fail.h"
#include "compress/permissions.h"
#include "compress/planned.h"
#include "forecast/memory_forecast.h"
#include "runtime/allowed_memory.h"

namespace quern {
CompressPreview preview(const Opened& opened, const CompressTexts& texts) {
  const CompressOptions& options = opened.options;
  const Plan plan = opened.plan({}, opened.optimizer);
  check_permissions_early(opened, plan);
  const OpenModel& source = opened.source;
  CompressPreview p{.architecture = source.spec.architecture,
                    .source_format = source.checkpoint.format(),
                    .parameters = source.parameters(),
                    .source_bytes = source.file_bytes(),
                    .scheme = plan.scheme,
                    .format = plan.format,
                    .tensor_bytes = plan.tensor_bytes(),
                    .memory = allowed_memory(options.machine),
                    .memory_reason = std::string(reason_of_memory(options.machine)),
                    .expected_memory = expected_memory(opened, texts),
                    .threads = opened.pool().threads(),
                    .precision = opened.setup.precision,
                    .notes = opened.notes_of(plan)};
  std::ranges::copy(permission_notes(opened, plan), std::back_inserter(p.notes));
  p.time = expected_time(opened, texts, plan, likely_walks(opened));
  if (options.size) {
    p.most_bytes = most_bytes(opened);
    if (*p.most_bytes >= p.source_bytes)
      p.notes.push_back(fmt::format(
          "the source itself is smaller than the size that was asked for: {} of {} bytes; its matrices keep their own "
          "numbers where {} holds them",
          p.source_bytes, *p.most_bytes, p.format));
  } else if (!opened.searches()) {
    std::ranges::copy(opened.loading_notes(plan), std::back_inserter(p.notes));
    p.model_bytes = opened.bytes_of(plan);
    p.size_is_exact = estimate_note(plan).empty();
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
                       {"expected_memory", p.expected_memory},
                       {"threads", p.threads},
                       {"precision", std::string(to_string(p.precision))},
                       {"seconds", p.time ? to_json(*p.time) : Json()},
                       {"notes", Json::Array(p.notes.begin(), p.notes.end())}});
}

}  // namespace quern
