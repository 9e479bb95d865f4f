// Streaming encoder: tasks of a fixed number of rows, written where they belong as soon as they are done.
#include "encode/encode.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/fail.h"
#include "base/interruption.h"
#include "encode/check_weights.h"
#include "encode/tensor_encoding.h"
#include "format/file_layout.h"
#include "format/formats.h"
#include "plan/output_tensor.h"

namespace quern {
namespace {

constexpr double kNothingLeft = 0.999;    // relative: below the scales that a format can say, all becomes 0
constexpr double kNoticeableError = 0.1;  // relative; 4 bits lose about 0.5% of a Gaussian weight's energy

// A tensor of the files, and how it is to be encoded.
struct TensorJob {
  std::size_t index = 0;  // in the files
  OutputTensor tensor;
  TensorEncoding encoding;
};

// What its rows share, and where they begin.
void write_shared(const TensorJob& job, CheckpointWriter& writer) {
  const TensorEncoding& encoding = job.encoding;
  if (encoding.is_measured()) writer.write(job.index, 1, 0, std::as_bytes(std::span(encoding.offsets)));
  if (const TensorSide* side = encoding.codec->tensor_side)
    writer.write(job.index, encoding.codec->planes.size() - 1, 0, side->serialise());
}

void write_rows(const TensorJob& job, const PackedTensor& packed, std::size_t first, CheckpointWriter& writer) {
  const TensorEncoding& encoding = job.encoding;
  const Codec& codec = *encoding.codec;
  if (encoding.is_measured()) {
    const std::uint64_t begin = encoding.offsets[first], end = encoding.offsets[first + packed.layout().rows];
    ensure(packed.plane(0).size() == end - begin, "rows of {} took {} bytes, {} when they were measured", codec.name,
           packed.plane(0).size(), end - begin);
    return writer.write(job.index, 0, begin, packed.plane(0));
  }
  for (std::size_t p = 0; p < codec.planes.size(); ++p)
    if (codec.planes[p].holds == CodecPlane::Holds::kBlocks)
      writer.write(job.index, p, first / codec.stripe * codec.plane_row_bytes(p, packed.layout().cols),
                   packed.plane(p));
}

// What a step is encoded from.
SequentialSource source_of(const EncodeInput& in, const PlanStep& step) {
  if (!step.is_sequential()) return {in.source, in.inputs};
  ensure(in.sequential != nullptr, "{} is to be encoded in sequence, and nothing was calibrated so", step.tensor);
  return *in.sequential;
}

StepRecord encode_step(const EncodeInput& in, const TensorJob& job, CheckpointWriter& writer) {
  const PlanStep& step = job.tensor.step;
  const SequentialSource from = source_of(in, step);
  const ExportedRows rows(from.source, job.tensor);
  std::optional<ExportedRows> original;  // where `rows` are others
  if (step.is_sequential()) original.emplace(in.source, job.tensor);
  const std::vector<RowTask> tasks = row_tasks(rows, *job.encoding.codec);
  struct Part {
    EncodeError error;
    std::string sums;
  };
  std::vector<Part> parts(tasks.size());
  in.pool.run(tasks.size(), [&](std::size_t i) {
    const auto inputs = rows.inputs(from.inputs, tasks[i].expert);
    const EncodedRows encoded = original ? encode_rows(rows, step, job.encoding.codec, *inputs, tasks[i],
                                                       {*original, *original->inputs(in.inputs, tasks[i].expert)})
                                         : encode_rows(rows, step, job.encoding.codec, *inputs, tasks[i]);
    parts[i] = {encoded.error, packed_sums(encoded.packed)};
    write_rows(job, encoded.packed, tasks[i].first, writer);
    if (in.hashes) in.hashes->advance();
  });
  write_shared(job, writer);
  StepRecord record;
  std::vector<std::string> sums;
  for (Part& part : parts) {
    record.error += part.error;
    sums.push_back(std::move(part.sums));
  }
  record.hash = joined_hash(sums);
  // No square of a float is infinite in double, and no sum of so many.
  if (!std::isfinite(record.error.plain_energy)) check_finite(in.source, job.tensor.weight);
  if (!std::isfinite(record.error.plain))
    fail(ErrorCode::kInput, "tensor {} holds values too large for the number format {}; give it a wider one",
         step.tensor, step.codec);
  return record;
}

// Into the files of the trial at hand.
struct JobWriter {
  const EncodeInput& in;
  CheckpointWriter& writer;
  StepRecords* records = nullptr;      // or null
  const TensorFiles* there = nullptr;  // the files that are written, where an earlier run had begun them; or null
  std::span<const TensorFiles> earlier = {};

  bool holds(const TensorFiles& files, const OutputTensor& tensor, const StepRecord& record) const {
    const Codec& codec = *find_codec(tensor.step.codec);
    return files.hash(tensor.step.output, codec, tensor.layout(), row_tasks(tensor.weight, tensor.exported, codec),
                      in.pool) == record.hash;
  }

  EncodeError write(const TensorJob& job) const {
    const PlanStep& step = job.tensor.step;
    const std::optional<StepRecord> known = records ? records->find(step) : std::nullopt;
    if (known && there && holds(*there, job.tensor, *known)) {
      writer.keep(job.index);
      return known->error;
    }
    if (known)
      for (const TensorFiles& files : earlier)
        if (holds(files, job.tensor, *known)) {
          files.copy(step.output, job.index, writer);
          return known->error;
        }
    const StepRecord record = encode_step(in, job, writer);
    if (records) records->add(step, record);
    return record.error;
  }
};

// What lies in a folder that was begun and is none of `ours`: it would be opened, or published, with them.
void remove_strangers(const std::filesystem::path& folder, std::span<const SettledFile> ours) {
  std::error_code ec;
  std::vector<std::filesystem::path> strangers;
  for (const std::filesystem::directory_entry& entry : std::filesystem::directory_iterator(folder, ec))
    if (std::ranges::find(ours, entry.path(), &SettledFile::path) == ours.end()) strangers.push_back(entry.path());
  for (const std::filesystem::path& stranger : strangers) {
    std::filesystem::remove_all(stranger, ec);
    if (ec) fail(ErrorCode::kResource, "cannot remove {}: {}", stranger.string(), ec.message());
  }
}

void settle(CheckpointWriter& writer, FileHashes& hashes) {
  for (const SettledFile& file : writer.settled()) hashes.settle(file.path, file.bytes);
}

std::string progress_line(const EncodedTensor& tensor) {
  return fmt::format("{} {} error {:.2e} ({} bytes)", tensor.step.output, tensor.step.codec,
                     tensor.error.relative_loss(), tensor.step.bytes);
}

// In the order of the plan, which is that of the files.
std::vector<TensorJob> jobs_of(const EncodeInput& in, const Plan& plan) {
  std::vector<TensorJob> jobs;
  std::size_t measured = 0;
  for (const OutputTensor& tensor : output_tensors(plan, in.spec, in.names)) {
    const Codec* codec = find_codec(tensor.step.codec);
    ensure(codec != nullptr, "no codec {}", tensor.step.codec);
    jobs.push_back({jobs.size(), tensor, {std::shared_ptr<const Codec>(std::shared_ptr<const Codec>(), codec), {}}});
    measured += wants_measuring(*codec);
  }
  if (measured) in.observer.stage("measure sizes", measured);
  for (TensorJob& job : jobs) {
    if (!wants_measuring(*job.encoding.codec)) continue;
    check_interrupted(in.observer);
    const SequentialSource from = source_of(in, job.tensor.step);
    job.encoding = measure_encoding({from.source, job.tensor}, job.tensor.step, from.inputs, in.pool);
    in.observer.advance(job.tensor.step.output);
  }
  return jobs;
}

// `head` with the sizes that were measured.
CheckpointHead with_measured_sizes(CheckpointHead head, const std::vector<TensorJob>& jobs) {
  for (const TensorJob& job : jobs)
    if (wants_measuring(*job.encoding.codec))
      head.tensors[job.index].part_bytes = job.encoding.part_bytes(job.tensor.layout());
  return head;
}

// The step of the plan, with the bytes of its tensor in the files.
PlanStep exact_step(const TensorJob& job) {
  PlanStep step = job.tensor.step;
  if (!wants_measuring(*job.encoding.codec)) return step;
  const std::vector<std::uint64_t> parts = job.encoding.part_bytes(job.tensor.layout());
  step.bytes = std::accumulate(parts.begin(), parts.end(), std::uint64_t{0});
  return step;
}

}  // namespace

namespace {

// Where only encoding tells how large a tensor becomes, as large as its step says.
std::vector<std::uint64_t> part_bytes_of(const PlanStep& step, const RowLayout& layout) {
  const Codec& codec = *find_codec(step.codec);
  std::vector<std::uint64_t> parts = expected_part_bytes(codec, layout);
  if (!wants_measuring(codec)) return parts;
  std::uint64_t& open = codec.is_measured() ? parts.front() : parts.back();
  const std::uint64_t others = std::accumulate(parts.begin(), parts.end(), std::uint64_t{0}) - open;
  open = std::max(step.bytes, others) - others;
  return parts;
}

}  // namespace

std::vector<TensorSpec> tensor_table(const Plan& plan, const ExportMap& names, const ModelSpec& spec,
                                     const TensorFiles& copied) {
  std::vector<TensorSpec> table;
  for (const OutputTensor& of : output_tensors(plan, spec, names)) {
    TensorSpec tensor{of.step.output, of.shape(), of.step.codec, {}};
    tensor.part_bytes = part_bytes_of(of.step, row_layout(tensor.shape));
    table.push_back(std::move(tensor));
  }
  for (const ExtraTensor& extra : names.extras)
    table.push_back({extra.name, {extra.values.size()}, kFloat32, {extra.values.size() * sizeof(float)}});
  for (const std::string& name : names.copied) table.push_back(copied.spec(name));
  return table;
}

std::string loss_note(const PlanStep& step, const EncodeError& error) {
  if (!(error.relative_plain() > kNoticeableError)) return {};
  const bool is_gone = error.relative_plain() > kNothingLeft;
  return fmt::format("{} loses {:.0f}% of its energy as {}: its values are too {} for it", step.tensor,
                     100 * error.relative_plain(), step.codec, is_gone ? "small" : "large or too uneven");
}

std::vector<EncodedTensor> encode(const EncodeInput& in, const Plan& plan, const CheckpointHead& head,
                                  const std::filesystem::path& folder, StepRecords* records,
                                  std::span<const TensorFiles> earlier) {
  const std::vector<TensorJob> jobs = jobs_of(in, plan);
  in.observer.stage(in.stage, jobs.size());
  std::error_code ec;
  const bool begun = !std::filesystem::is_empty(folder, ec);
  const auto writer = find_format(plan.format).create(folder, with_measured_sizes(head, jobs));
  if (begun) remove_strangers(folder, writer->settled());
  std::optional<TensorFiles> there;
  if (begun) there.emplace(folder);
  if (in.hashes)
    for (const SettledFile& file : writer->settled())
      in.hashes->add(file.path, FileHashes::Content::kBeingWritten, file_layout(file.path).ranges());
  const JobWriter into_files{in, *writer, records, there ? &*there : nullptr, earlier};
  std::vector<EncodedTensor> tensors;
  for (const TensorJob& job : jobs) {
    check_interrupted(in.observer);
    tensors.push_back({exact_step(job), job.tensor.weight, into_files.write(job)});
    const EncodedTensor& tensor = tensors.back();
    if (in.hashes) settle(*writer, *in.hashes);
    if (const std::string note = loss_note(tensor.step, tensor.error); !note.empty()) in.observer.note(note);
    in.observer.advance(progress_line(tensor));
  }
  for (std::size_t e = 0; e < in.names.extras.size(); ++e)
    writer->write(jobs.size() + e, 0, 0, std::as_bytes(std::span(in.names.extras[e].values)));
  ensure(in.copied || in.names.copied.empty(), "no files to copy {} tensors from", in.names.copied.size());
  for (std::size_t c = 0; c < in.names.copied.size(); ++c)
    in.copied->copy(in.names.copied[c], jobs.size() + in.names.extras.size() + c, *writer);
  writer->finish();
  return tensors;
}

}  // namespace quern
