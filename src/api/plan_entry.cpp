// quern::plan: a forecast becomes plain data.
#include "api/observed_call.h"
#include "api/option_checks.h"
#include "forecast/forecast.h"
#include "quern/plan.h"

namespace quern {
namespace {

Interval interval_of(const Range& range) { return {range.value, range.low, range.high}; }

PlannedSize planned(std::uint64_t bytes, const Prediction& prediction) {
  return {bytes, interval_of(prediction.kld), interval_of(prediction.perplexity)};
}

PlanResult result_of(const Forecast& f) {
  PlanResult result{.architecture = f.architecture,
                    .parameters = f.parameters,
                    .source_bytes = f.source_bytes,
                    .model_bytes = f.model_bytes,
                    .expected = {},
                    .alternatives = {},
                    .memory_to_compress = f.memory_to_compress,
                    .seconds_to_compress = {},
                    .tensors = {},
                    .notes = f.notes,
                    .json = dump_json(to_json(f), 1) + "\n"};
  if (f.quality) {
    result.expected = planned(f.model_bytes, f.quality->quality);
    for (const Alternative& other : f.quality->alternatives)
      result.alternatives.push_back(planned(other.bytes, other.quality));
  }
  if (f.time) result.seconds_to_compress = f.time->total();
  for (const PlanStep& step : f.plan.steps)
    result.tensors.push_back({.name = step.tensor, .codec = step.codec, .reason = step.reason, .bytes = step.bytes});
  return result;
}

}  // namespace

PlanResult plan(const PlanOptions& options, Observer* observer) {
  return ObservedCall(observer).run([&](Observer& told) {
    check_compress(options.compress);
    CompressOptions compress = options.compress;
    compress.output.clear();  // nothing is written
    std::optional<NewFile> copy;
    if (!options.statistics_copy.empty()) copy.emplace(options.statistics_copy);
    const Opened opened(compress, told);
    return result_of(forecast(opened, {copy ? &*copy : nullptr, options.statistics_folder}));
  });
}

}  // namespace quern
