// A table against a table, and a few rows of each tensor: decoding all would take many times as long as hashing.
#include <algorithm>
#include <vector>

#include "base/interruption.h"
#include "kernel/elementwise.h"
#include "model/checkpoint_weights.h"
#include "package/verify_manifest.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr std::uint64_t kWeights = 1 << 14;  // of each tensor are decoded

// As its codec has it, however tightly a container stores it.
std::uint64_t decoded_bytes(const TensorEntry& entry) {
  std::uint64_t bytes = 0;
  for (const TensorPart& part : entry.parts) bytes += part.bytes;
  return bytes;
}

// Empty: as the plan has it.
std::string problem_of(const Checkpoint& package, const PlanStep& step) {
  const TensorEntry* entry = package.find(step.output);
  if (!entry) return fmt::format("tensor {} is missing", step.output);
  if (entry->encoding != step.codec || (entry->bytes() != step.bytes && decoded_bytes(*entry) != step.bytes))
    return fmt::format("tensor {} is {} in {} bytes, the plan says {} in {}", step.output, entry->encoding,
                       entry->bytes(), step.codec, step.bytes);
  if (const std::uint64_t weights = element_count(entry->shape); step.parameters && weights != step.parameters)
    return fmt::format("tensor {} has {} weights, the plan says {}", step.output, weights, step.parameters);
  const RowLayout layout = row_layout(entry->shape);
  if (layout.rows == 0 || layout.cols == 0) return {};
  Matrix rows(std::min<std::uint64_t>(layout.rows, kWeights / layout.cols + 1), layout.cols);
  try {
    CheckpointWeights(package).read_rows(step.output, 0, rows.view());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return fmt::format("tensor {} cannot be decoded: {}", step.output, error.what());
  }
  return all_finite(rows.flat()) ? "" : fmt::format("tensor {} decodes to values that are not finite", step.output);
}

}  // namespace

void check_tensors(Verification& v, const Checkpoint& package) {
  const std::vector<PlanStep>& steps = v.manifest.plan.steps;
  v.observer.stage("look at tensors", steps.size());
  std::vector<std::string> problems(steps.size());
  v.pool.run(steps.size(), [&](std::size_t i) {
    check_interrupted(v.observer);
    problems[i] = problem_of(package, steps[i]);
  });
  for (std::size_t i = 0; i < steps.size(); ++i) {
    ++v.result.tensors;
    if (!problems[i].empty()) {
      v.wrong_tensors.insert(steps[i].output);
      v.result.problems.push_back(std::move(problems[i]));
    }
    v.observer.advance(steps[i].output);
  }
}

}  // namespace quern
