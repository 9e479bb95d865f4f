// One error for each codec, from the same rows.
#include "survey/trials.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "encode/tensor_encoding.h"

namespace quern {
namespace {

constexpr std::uint64_t kSamplePlaces = 16;  // runs of rows that a sample is made of, at least

// Rows on which codecs are tried: all of a small matrix, of a large one evenly spaced tasks.
struct Sample {
  std::vector<RowTask> tasks;
  std::optional<RowTask> loudest;  // of a large matrix the task with its largest value, which a codec has to hold
  double of_all = 1;               // rows of the matrix over those of the tasks
};

RowTask loudest_of(const EncodeInput& in, const ExportedRows& rows, const std::vector<RowTask>& tasks) {
  std::vector<float> largest(tasks.size());
  in.pool.run(tasks.size(), [&](std::size_t i) {
    const Matrix some = rows.rows(tasks[i].first, tasks[i].count);
    for (const float value : some.flat()) largest[i] = std::max(largest[i], std::abs(value));
  });
  return tasks[static_cast<std::size_t>(std::ranges::max_element(largest) - largest.begin())];
}

// Each in as many parts as it takes to find `most` weights in several places; of so many rows that no codec fills them
// up to whole stripes.
std::vector<RowTask> divided(const std::vector<RowTask>& tasks, std::uint64_t most, const RowLayout& layout,
                             std::size_t stripes) {
  const std::size_t together = std::lcm(rows_encoded_together(layout.cols), stripes);
  const std::size_t wanted = std::max<std::size_t>(1, most / kSamplePlaces / std::max<std::uint64_t>(1, layout.cols));
  const std::size_t grain = (wanted + together - 1) / together * together;
  std::vector<RowTask> parts;
  for (const RowTask& task : tasks)
    for (std::size_t first = 0; first < task.count; first += grain)
      parts.push_back({task.first + first, std::min(grain, task.count - first), task.expert});
  return parts;
}

Sample sample_of(const EncodeInput& in, const ExportedRows& rows, std::uint64_t most, std::size_t stripes) {
  std::vector<RowTask> all = row_tasks(rows);
  const std::uint64_t weights = rows.layout().rows * rows.layout().cols;
  if (weights <= most) return {all, std::nullopt, 1};
  Sample sample{{}, loudest_of(in, rows, all), 0};
  all = divided(all, most, rows.layout(), stripes);
  const std::size_t count = std::max<std::size_t>(1, all.size() * most / weights);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < count; ++i) tried += sample.tasks.emplace_back(all[i * all.size() / count]).count;
  sample.of_all = static_cast<double>(rows.layout().rows) / static_cast<double>(tried);
  return sample;
}

// Of one codec on the rows of a task.
struct Outcome {
  EncodeError error;
  std::uint64_t row_bytes = 0;  // of all rows of a measured codec
};

Outcome try_rows(const EncodeInput& in, const ExportedRows& rows, const PlanStep& step,
                 const std::shared_ptr<const Codec>& codec, const RowTask& task) {
  const EncodedRows encoded = encode_rows(rows, step, codec, *rows.inputs(in.inputs, task.expert), task);
  return {encoded.error, codec->is_measured() ? encoded.packed.plane(0).size() : 0};
}

std::uint64_t bytes_of(const std::shared_ptr<const Codec>& codec, const RowLayout& layout, double row_bytes) {
  if (!wants_measuring(*codec)) return codec->stored_bytes(layout.rows, layout.cols);
  TensorEncoding encoding{codec, {}};
  if (codec->is_measured()) encoding.offsets = {static_cast<std::uint64_t>(row_bytes)};
  const std::vector<std::uint64_t> parts = encoding.part_bytes(layout);
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0});
}

}  // namespace

std::vector<TriedCodec> try_codecs(const EncodeInput& in, const OutputTensor& tensor,
                                   const std::vector<const Codec*>& codecs, const WeightsTried& most) {
  const ExportedRows rows(in.source, tensor);
  const Optimizer& optimizer = find_optimizer(tensor.step.optimizer);
  std::size_t stripes = 1;
  std::vector<std::shared_ptr<const Codec>> trained;
  for (const Codec* codec : codecs) {
    stripes = std::lcm(stripes, std::size_t{codec->stripe});
    trained.push_back(trained_codec_of(rows, *codec, optimizer, in.inputs, in.pool));
  }
  const Sample sample =
      sample_of(in, rows, optimizer.needs == Optimizer::Needs::kHessian ? most.by_feedback : most.by_rounding, stripes);
  std::vector<RowTask> tasks = sample.tasks;
  if (sample.loudest) tasks.push_back(*sample.loudest);
  const std::size_t count = codecs.size();
  std::vector<Outcome> outcomes(tasks.size() * count);
  in.pool.run(outcomes.size(), [&](std::size_t i) {
    PlanStep step = tensor.step;
    step.codec = codecs[i % count]->name;
    // Of the loudest rows only the range counts: rounding tells it sooner.
    if (i / count == sample.tasks.size()) step.optimizer = best_optimizer(Optimizer::Needs::kNothing).name;
    outcomes[i] = try_rows(in, rows, step, trained[i % count], tasks[i / count]);
  });
  std::vector<TriedCodec> trials;
  for (std::size_t c = 0; c < count; ++c) {
    TriedCodec& trial = trials.emplace_back(TriedCodec{codecs[c], {}});
    double row_bytes = 0;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const Outcome& outcome = outcomes[t * count + c];
      const bool is_sample = t < sample.tasks.size();
      if (is_sample || !std::isfinite(outcome.error.plain)) trial.error += outcome.error;
      if (is_sample) row_bytes += static_cast<double>(outcome.row_bytes);
    }
    trial.error *= sample.of_all;
    trial.bytes = bytes_of(trained[c], rows.layout(), row_bytes * sample.of_all);
  }
  return trials;
}

}  // namespace quern
