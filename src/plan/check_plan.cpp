// Everything that the encoder takes for granted of a step is asked here.
#include "plan/check_plan.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "base/file.h"
#include "base/names.h"
#include "optim/optimizer.h"
#include "plan/choice.h"
#include "plan/coupling.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEdited = "edited in the plan";
constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;

const Codec& codec_of(const PlanStep& step) {
  if (const Codec* codec = row_named(codecs(), step.codec)) return *codec;
  if (find_decoder(step.codec))
    fail(ErrorCode::kInput, "the number format \"{}\" is only read, not written", step.codec);
  fail(ErrorCode::kInput, "there is no number format \"{}\"; did you mean {}?", step.codec,
       nearest_names(step.codec, names_of(codecs())));
}

const Optimizer& optimizer_of(const PlanStep& step) {
  if (const Optimizer* optimizer = row_named(optimizers(), step.optimizer)) return *optimizer;
  fail(ErrorCode::kInput, "there is no optimizer \"{}\"; did you mean {}?", step.optimizer,
       nearest_names(step.optimizer, names_of(optimizers())));
}

void check_codec(const FitInput& in, const Codec& codec, std::uint64_t cols) {
  if (!codec.divides(cols))
    fail(ErrorCode::kInput, "its rows of {} weights do not divide into the blocks of {}, which are {}; choose another",
         cols, codec.name, codec.block);
  if (!in.format.holds(codec.name, cols))
    fail(ErrorCode::kInput, "{} cannot hold {}; choose another number format (quern codecs lists them)", in.format.name,
         codec.name);
  if (const std::string why = why_refused(in, codec.name); !why.empty())
    fail(ErrorCode::kInput, "it cannot be {}: {}", codec.name, why);
  if (is_outweighed(codec, in.weight))
    fail(ErrorCode::kInput, "the codebook of {} would be larger than its codes; choose one of fewer centroids",
         codec.name);
  const char* prescribed = is_elementwise(in.weight) ? in.format.vector_encoding : nullptr;
  if (prescribed && codec.name != std::string_view(prescribed))
    fail(ErrorCode::kInput, "it must be {}, not {}: the runtimes of {} compute with it in no other", prescribed,
         codec.name, in.format.name);
}

PlanStep checked_step(PlanStep step, const PlanInput& in, const ExportedWeight& exported) {
  const Weight& weight = in.spec.weights[exported.weight];
  const RowLayout rows = row_layout(exported.output_shape(weight));
  const Codec& codec = codec_of(step);
  const std::string source_encoding = in.source.stored(weight).encoding;
  check_codec({in.scheme, in.format, weight, &exported, source_encoding}, codec, rows.cols);
  step.codec = codec.name;
  step.optimizer = optimizer_of(step).name;
  const std::uint64_t bytes = codec.stored_bytes(rows.rows, rows.cols);
  const bool is_estimate = codec.is_measured() || codec.train;
  if (step.bytes != bytes && !is_estimate) step.reason = kEdited;
  step.bytes = bytes;
  step.parameters = rows.rows * rows.cols;
  return step;
}

// An edit may not give matrices that programs join several number formats.
void check_couplings(const Plan& plan, const PlanInput& in, const fs::path& path) {
  for (const Coupling& coupling : couplings(in.format, in.spec, in.names)) {
    const bool edited = std::ranges::any_of(coupling, [&](std::size_t i) { return plan.steps[i].reason == kEdited; });
    if (edited && !is_kept(coupling, plan))
      fail(ErrorCode::kInput,
           "the plan {} gives several number formats to matrices that vLLM loads as one from {}: {}; give them all the "
           "same one",
           path.string(), in.format.name, describe(coupling, plan));
  }
}

}  // namespace

Plan parse_plan(std::string_view text) {
  const Json json = parse_json(text);
  const Json* inner = json.is_object() ? json.find("plan") : nullptr;
  return plan_from_json(inner ? *inner : json);
}

Plan read_plan(const fs::path& path) {
  return with_context("while reading the plan " + path.string(),
                      [&] { return parse_plan(read_text(path, kMostBytes)); });
}

Plan checked_plan(const Plan& given, const PlanInput& in, const fs::path& path) {
  const std::string table = source_table_hash(in.spec, in.source);
  if (!given.tensors_sha256.empty() && given.tensors_sha256 != table)
    fail(ErrorCode::kInput,
         "the plan {} was made for another checkpoint: its tensors_sha256 is {}, that of {} is {}; make one for this "
         "model with quern plan",
         path.string(), given.tensors_sha256, in.source.name(), table);
  if (given.steps.size() != in.names.weights.size())
    fail(ErrorCode::kInput, "the plan {} has {} steps, and {} is written as {} tensors; make one with quern plan",
         path.string(), given.steps.size(), in.source.name(), in.names.weights.size());
  Plan plan = given;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    PlanStep& step = plan.steps[i];
    const ExportedWeight& exported = in.names.weights[i];
    const std::string tensor = exported.source_name(in.spec.weights[exported.weight]);
    if (step.tensor != tensor || step.output != exported.name)
      fail(ErrorCode::kInput, "step {} of the plan {} writes {} from {}, where this model has {} from {}", i,
           path.string(), step.output, step.tensor, exported.name, tensor);
    step = with_context(fmt::format("in step {} of the plan {}, tensor {}", i, path.string(), tensor),
                        [&] { return checked_step(step, in, exported); });
  }
  check_couplings(plan, in, path);
  const auto edited = std::ranges::count(plan.steps, kEdited, &PlanStep::reason);
  if (edited)
    plan.notes = {fmt::format("the plan {} was edited in {} of its steps: what was predicted of it holds no longer",
                              path.filename().string(), edited)};
  return plan;
}

void check_plan_statistics(const Plan& given, const StatisticsHashes& statistics, const fs::path& path) {
  const auto check_same = [&](const std::string& of_plan, const std::string& now) {
    if (of_plan != now)
      fail(ErrorCode::kInput,
           "the plan {} was made with other statistics: their sha256 is {}, that of those given is {}; give what "
           "planning kept (`statistics_copy`, `statistics_folder`) as `statistics`, or plan again",
           path.string(), of_plan, now);
  };
  if (given.statistics_sha256.empty() && !statistics.moments.empty())
    fail(ErrorCode::kInput,
         "the plan {} was made without statistics: leave out `calibration_text` and `statistics`, or plan again with "
         "them",
         path.string());
  if (statistics.moments.empty() && !given.statistics_sha256.empty())
    fail(ErrorCode::kInput,
         "the plan {} was made with statistics: give what planning kept (`statistics_copy`, `statistics_folder`) as "
         "`statistics`, or the same `calibration_text`",
         path.string());
  check_same(given.statistics_sha256, statistics.moments);
  if (needs_hessians(given)) check_same(given.hessians_sha256, statistics.hessians);
}

}  // namespace quern
