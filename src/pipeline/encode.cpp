// Streaming encoder: tasks of a fixed number of rows, written where they belong as soon as they are done.
#include "pipeline/encode.h"

#include <algorithm>

#include "quern/error.h"

namespace quern {
namespace {

constexpr double kNoticeableError = 0.1;  // relative; 4 bits lose about 0.5% of a Gaussian weight's energy
constexpr std::uint64_t kCopyBytes = std::uint64_t{4} << 20;

EncodeError encode_step(const EncodeInput& in, const PlanStep& step, const ExportedWeight& exported, std::size_t tensor,
                        CheckpointWriter& writer) {
  const WeightSource source(in.source);
  const RowLayout layout = source.layout(step.tensor);
  const Weight& weight = in.spec.weights[exported.weight];
  const std::span<const double> moments =
      layout.rows > 1 ? moments_of(in.statistics, weight) : std::span<const double>();
  const std::size_t grain = rows_per_task(layout.cols);
  std::vector<EncodeError> errors((layout.rows + grain - 1) / grain);
  parallel_for(in.pool, layout.rows, grain, [&](std::size_t begin, std::size_t end) {
    const EncodedRows rows = encode_rows(source, step, exported, moments, begin, end - begin);
    errors[begin / grain] = rows.error;
    for (std::size_t p = 0; p < rows.packed.codec().planes.size(); ++p)
      writer.write(tensor, p, begin * rows.packed.codec().plane_row_bytes(p, layout.cols), rows.packed.plane(p));
  });
  EncodeError sum;
  for (const EncodeError& error : errors) sum += error;
  return sum;
}

void copy_step(const Checkpoint& from, const std::string& name, std::size_t tensor, CheckpointWriter& writer) {
  const TensorEntry& entry = from.at(name);
  std::vector<std::byte> buffer;
  for (std::size_t p = 0; p < entry.parts.size(); ++p)
    for (std::uint64_t at = 0; at < entry.parts[p].bytes; at += kCopyBytes) {
      buffer.resize(std::min(kCopyBytes, entry.parts[p].bytes - at));
      from.read(entry, p, at, buffer);
      writer.write(tensor, p, at, buffer);
    }
}

std::string progress_line(const PlanStep& step, const EncodeError& error) {
  return fmt::format("{} {} error {:.2e} ({} bytes)", step.output, step.codec, error.relative_weighted(), step.bytes);
}

}  // namespace

std::vector<TensorSpec> tensor_table(const Plan& plan, const ExportMap& names, const Checkpoint& source) {
  std::vector<TensorSpec> table;
  for (const PlanStep& step : plan.steps) {
    const TensorEntry& entry = source.at(step.tensor);
    const RowLayout layout = row_layout(entry.shape);
    const Codec& codec = *find_codec(step.codec);
    TensorSpec spec{step.output, entry.shape, step.codec, {}};
    for (std::size_t p = 0; p < codec.planes.size(); ++p)
      spec.part_bytes.push_back(layout.rows * codec.plane_row_bytes(p, layout.cols));
    table.push_back(std::move(spec));
  }
  for (const ExtraTensor& extra : names.extras)
    table.push_back({extra.name, {extra.values.size()}, kFloat32, {extra.values.size() * sizeof(float)}});
  return table;
}

std::vector<EncodeError> encode(const EncodeInput& in, const Plan& plan, const CheckpointHead& head,
                                const std::filesystem::path& folder, const EarlierTrial* earlier) {
  in.observer.stage("encode", plan.steps.size());
  const auto writer = find_format(plan.format).create(folder, head);
  std::vector<EncodeError> errors;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    check_interrupted(in.observer);
    const PlanStep& step = plan.steps[i];
    const bool same =
        earlier && earlier->plan.steps[i].codec == step.codec && earlier->plan.steps[i].optimizer == step.optimizer;
    if (same) {
      copy_step(earlier->checkpoint, step.output, i, *writer);
      errors.push_back(earlier->errors[i]);
    } else {
      errors.push_back(encode_step(in, step, in.names.weights[i], i, *writer));
    }
    if (errors.back().relative_plain() > kNoticeableError)
      in.observer.note(
          fmt::format("{} loses {:.0f}% of its energy as {}: its values are too large or too uneven for it",
                      step.tensor, 100 * errors.back().relative_plain(), step.codec));
    in.observer.advance(progress_line(step, errors.back()));
  }
  for (std::size_t e = 0; e < in.names.extras.size(); ++e)
    writer->write(plan.steps.size() + e, 0, 0, std::as_bytes(std::span(in.names.extras[e].values)));
  writer->finish();
  return errors;
}

}  // namespace quern
