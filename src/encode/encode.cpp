// Streaming encoder: tasks of a fixed number of rows, written where they belong as soon as they are done.
#include "encode/encode.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail.h"
#include "base/interruption.h"
#include "encode/check_weights.h"
#include "encode/tensor_encoding.h"

namespace quern {
namespace {

constexpr double kNoticeableError = 0.1;  // relative; 4 bits lose about 0.5% of a Gaussian weight's energy

// What its rows share, and where they begin.
void write_shared(const TensorEncoding& encoding, std::size_t tensor, CheckpointWriter& writer) {
  if (encoding.is_measured()) writer.write(tensor, 1, 0, std::as_bytes(std::span(encoding.offsets)));
  if (const TensorSide* side = encoding.codec->tensor_side)
    writer.write(tensor, encoding.codec->planes.size() - 1, 0, side->serialise());
}

void write_rows(const TensorEncoding& encoding, const PackedTensor& packed, std::size_t tensor, std::size_t first,
                CheckpointWriter& writer) {
  const Codec& codec = *encoding.codec;
  if (encoding.is_measured()) {
    const std::uint64_t begin = encoding.offsets[first], end = encoding.offsets[first + packed.layout().rows];
    ensure(packed.plane(0).size() == end - begin, "rows of {} took {} bytes, {} when they were measured", codec.name,
           packed.plane(0).size(), end - begin);
    return writer.write(tensor, 0, begin, packed.plane(0));
  }
  for (std::size_t p = 0; p < codec.planes.size(); ++p)
    if (codec.planes[p].holds == CodecPlane::Holds::kBlocks)
      writer.write(tensor, p, first * codec.plane_row_bytes(p, packed.layout().cols), packed.plane(p));
}

StepRecord encode_step(const EncodeInput& in, const PlanStep& step, const ExportedWeight& exported,
                       const TensorEncoding& encoding, std::size_t tensor, CheckpointWriter& writer) {
  const Weight& weight = in.spec.weights[exported.weight];
  const ExportedRows rows(in.source, weight, exported);
  const std::vector<RowTask> tasks = row_tasks(rows);
  std::vector<EncodeError> errors(tasks.size());
  std::vector<std::string> sums(tasks.size());
  in.pool.run(tasks.size(), [&](std::size_t i) {
    const EncodedRows encoded =
        encode_rows(rows, step, encoding.codec, *rows.inputs(in.inputs, tasks[i].expert), tasks[i]);
    errors[i] = encoded.error;
    sums[i] = packed_sums(encoded.packed);
    write_rows(encoding, encoded.packed, tensor, tasks[i].first, writer);
    if (in.hashes) in.hashes->advance();
  });
  write_shared(encoding, tensor, writer);
  StepRecord record{joined_hash(sums), {}};
  for (const EncodeError& error : errors) record.error += error;
  // No square of a float is infinite in double, and no sum of so many.
  if (!std::isfinite(record.error.plain_energy)) check_finite(in.source, weight);
  if (!std::isfinite(record.error.plain))
    fail(ErrorCode::kInput, "tensor {} holds values too large for the number format {}; give it a wider one",
         step.tensor, step.codec);
  return record;
}

// The trial at hand.
struct Steps {
  const EncodeInput& in;
  const Plan& plan;
  const std::vector<TensorEncoding>& encodings;
  CheckpointWriter& writer;
  StepRecords* records = nullptr;      // or null
  const TensorFiles* there = nullptr;  // the files that are written, where an earlier run had begun them; or null
  std::span<const TensorFiles> earlier = {};

  bool holds(const TensorFiles& files, std::size_t i, const StepRecord& record) const {
    const ExportedWeight& exported = in.names.weights[i];
    const Weight& weight = in.spec.weights[exported.weight];
    const PlanStep& step = plan.steps[i];
    return files.hash(step.output, *find_codec(step.codec), row_layout(exported.output_shape(weight)),
                      row_tasks(weight, exported), in.pool) == record.hash;
  }

  EncodeError write(std::size_t i) const {
    const PlanStep& step = plan.steps[i];
    const std::optional<StepRecord> known = records ? records->find(step) : std::nullopt;
    if (known && there && holds(*there, i, *known)) {
      writer.keep(i);
      return known->error;
    }
    if (known)
      for (const TensorFiles& files : earlier)
        if (holds(files, i, *known)) {
          files.copy(step.output, i, writer);
          return known->error;
        }
    const StepRecord record = encode_step(in, step, in.names.weights[i], encodings[i], i, writer);
    if (records) records->add(step, record);
    return record.error;
  }
};

void settle(CheckpointWriter& writer, FileHashes& hashes) {
  for (const SettledFile& file : writer.settled()) hashes.settle(file.path, file.bytes);
}

std::string progress_line(const PlanStep& step, const EncodeError& error, std::uint64_t bytes) {
  return fmt::format("{} {} error {:.2e} ({} bytes)", step.output, step.codec, error.relative_loss(), bytes);
}

// How each step is to be encoded.
std::vector<TensorEncoding> encodings_of(const EncodeInput& in, const Plan& plan) {
  std::vector<TensorEncoding> encodings;
  std::vector<std::size_t> measured;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Codec* codec = find_codec(plan.steps[i].codec);
    ensure(codec != nullptr, "no codec {}", plan.steps[i].codec);
    encodings.push_back({std::shared_ptr<const Codec>(std::shared_ptr<const Codec>(), codec), {}});
    if (wants_measuring(*codec)) measured.push_back(i);
  }
  if (!measured.empty()) in.observer.stage("measure sizes", measured.size());
  for (const std::size_t i : measured) {
    check_interrupted(in.observer);
    const ExportedWeight& exported = in.names.weights[i];
    const Weight& weight = in.spec.weights[exported.weight];
    encodings[i] = measure_encoding({in.source, weight, exported}, plan.steps[i], in.inputs, in.pool);
    in.observer.advance(plan.steps[i].output);
  }
  return encodings;
}

// `head` with the sizes that were measured.
CheckpointHead with_measured_sizes(CheckpointHead head, const std::vector<TensorEncoding>& encodings) {
  for (std::size_t i = 0; i < encodings.size(); ++i)
    if (wants_measuring(*encodings[i].codec))
      head.tensors[i].part_bytes = encodings[i].part_bytes(row_layout(head.tensors[i].shape));
  return head;
}

}  // namespace

std::vector<TensorSpec> tensor_table(const Plan& plan, const ExportMap& names, const ModelSpec& spec,
                                     const TensorFiles& copied) {
  ensure(plan.steps.size() == names.weights.size(), "a plan of {} steps for {} tensors", plan.steps.size(),
         names.weights.size());
  std::vector<TensorSpec> table;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    const ExportedWeight& exported = names.weights[i];
    TensorSpec tensor{step.output, exported.output_shape(spec.weights[exported.weight]), step.codec, {}};
    tensor.part_bytes = expected_part_bytes(*find_codec(step.codec), row_layout(tensor.shape));
    table.push_back(std::move(tensor));
  }
  for (const ExtraTensor& extra : names.extras)
    table.push_back({extra.name, {extra.values.size()}, kFloat32, {extra.values.size() * sizeof(float)}});
  for (const std::string& name : names.copied) table.push_back(copied.spec(name));
  return table;
}

std::string loss_note(const PlanStep& step, const EncodeError& error) {
  if (!(error.relative_plain() > kNoticeableError)) return {};
  return fmt::format("{} loses {:.0f}% of its energy as {}: its values are too large or too uneven for it", step.tensor,
                     100 * error.relative_plain(), step.codec);
}

std::vector<EncodeError> encode(const EncodeInput& in, const Plan& plan, const CheckpointHead& head,
                                const std::filesystem::path& folder, StepRecords* records,
                                std::span<const TensorFiles> earlier) {
  const std::vector<TensorEncoding> encodings = encodings_of(in, plan);
  const CheckpointHead exact = with_measured_sizes(head, encodings);
  in.observer.stage("encode", plan.steps.size());
  const bool begun = !std::filesystem::is_empty(folder);
  const auto writer = find_format(plan.format).create(folder, exact);
  std::optional<TensorFiles> there;
  if (begun) there.emplace(folder);
  if (in.hashes)
    for (const SettledFile& file : writer->settled()) in.hashes->add(file.path, FileHashes::Content::kBeingWritten);
  const Steps steps{in, plan, encodings, *writer, records, there ? &*there : nullptr, earlier};
  std::vector<EncodeError> errors;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    check_interrupted(in.observer);
    const PlanStep& step = plan.steps[i];
    errors.push_back(steps.write(i));
    if (in.hashes) settle(*writer, *in.hashes);
    if (const std::string note = loss_note(step, errors.back()); !note.empty()) in.observer.note(note);
    const std::vector<std::uint64_t>& parts = exact.tensors[i].part_bytes;
    const bool measured = wants_measuring(*encodings[i].codec);
    in.observer.advance(progress_line(
        step, errors.back(), measured ? std::accumulate(parts.begin(), parts.end(), std::uint64_t{0}) : step.bytes));
  }
  for (std::size_t e = 0; e < in.names.extras.size(); ++e)
    writer->write(plan.steps.size() + e, 0, 0, std::as_bytes(std::span(in.names.extras[e].values)));
  ensure(in.copied || in.names.copied.empty(), "no files to copy {} tensors from", in.names.copied.size());
  for (std::size_t c = 0; c < in.names.copied.size(); ++c)
    in.copied->copy(in.names.copied[c], plan.steps.size() + in.names.extras.size() + c, *writer);
  writer->finish();
  return errors;
}

}  // namespace quern
