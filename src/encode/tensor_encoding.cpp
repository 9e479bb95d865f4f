// All tasks of a tensor on all threads; what they find does not depend on their order.
#include "encode/tensor_encoding.h"

#include "base/fail.h"

namespace quern {
namespace {

using Holds = CodecPlane::Holds;

const Codec& codec_named(const std::string& name) {
  const Codec* codec = find_codec(name);
  ensure(codec != nullptr, "no codec {}", name);
  return *codec;
}

std::vector<std::uint64_t> measured_offsets(const ExportedRows& rows, const std::shared_ptr<const Codec>& codec,
                                            const Optimizer& optimizer, const Inputs& inputs,
                                            const std::vector<RowTask>& tasks, ThreadPool& pool) {
  std::vector<std::uint64_t> offsets(rows.layout().rows + 1);
  pool.run(tasks.size(), [&](std::size_t i) {
    const RowTask& task = tasks[i];
    const Matrix some = rows.rows(task.first, task.count);
    PackedTensor packed(codec, {some.rows(), some.cols()});
    optimizer.encode(*rows.inputs(inputs, task.expert), some.view(), packed);
    for (std::size_t r = 0; r < task.count; ++r)
      offsets[task.first + r + 1] = measured_row(std::as_const(packed).row(r)).size();
  });
  for (std::size_t r = 1; r < offsets.size(); ++r) offsets[r] += offsets[r - 1];
  return offsets;
}

}  // namespace

std::vector<std::uint64_t> TensorEncoding::part_bytes(RowLayout layout) const {
  std::vector<std::uint64_t> bytes = expected_part_bytes(*codec, layout);
  if (is_measured()) bytes[0] = offsets.back();
  if (codec->tensor_side) bytes.back() = codec->tensor_side->serialise().size();
  return bytes;
}

bool wants_measuring(const Codec& codec) { return codec.is_measured() || codec.train; }

TensorEncoding measure_encoding(const ExportedRows& rows, const PlanStep& step, const Inputs& inputs,
                                ThreadPool& pool) {
  const Codec& codec = codec_named(step.codec);
  const std::vector<RowTask> tasks = row_tasks(rows, codec);
  TensorEncoding encoding{trained_codec_of(rows, codec, find_optimizer(step.optimizer), inputs, pool), {}};
  if (encoding.codec->is_measured())
    encoding.offsets = measured_offsets(rows, encoding.codec, find_optimizer(step.optimizer), inputs, tasks, pool);
  return encoding;
}

std::vector<std::uint64_t> expected_part_bytes(const Codec& codec, RowLayout layout) {
  std::vector<std::uint64_t> bytes;
  for (std::size_t p = 0; p < codec.planes.size(); ++p) {
    const Holds holds = codec.planes[p].holds;
    if (holds == Holds::kRows) {
      const std::uint64_t others = layout.rows * codec.plane_row_bytes(1, layout.cols);
      bytes.push_back(codec.stored_bytes(layout.rows, layout.cols) - others);
    } else {
      bytes.push_back((codec.stripes(layout.rows) + (holds == Holds::kOffsets)) *
                      codec.plane_row_bytes(p, layout.cols));
    }
  }
  return bytes;
}

}  // namespace quern
