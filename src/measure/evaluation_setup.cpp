// Fitting an evaluation into memory.
#include "measure/evaluation_setup.h"

#include <algorithm>

#include "base/fail.h"
#include "measure/evaluate.h"
#include "runtime/allowed_memory.h"
#include "runtime/walk_memory.h"

namespace quern {
namespace {

constexpr std::size_t kUsualWindow = 512;

std::uint64_t largest_weight(const ModelSpec& spec) {
  std::uint64_t most = 0;
  for (const Weight& weight : spec.weights) most = std::max(most, weight.elements());
  return most;
}

}  // namespace

std::size_t text_window(const ModelSpec& spec) {
  const auto context = spec.extents.find("context");
  return context == spec.extents.end() ? kUsualWindow : std::min<std::size_t>(kUsualWindow, context->second);
}

std::uint64_t reserved_bytes(const ModelSpec& spec, unsigned threads, std::size_t window_length) {
  // A weight measured alone is held packed, at most a byte and a bit a weight. Logits: two tiles of half a window.
  const std::uint64_t logits = 2 * sizeof(float) * kHeadTileRows * (window_length / 2);
  return largest_block_bytes(spec) + largest_weight(spec) * 9 / 8 +
         threads * std::max(window_bytes(spec, window_length), logits);
}

namespace {

// Of 1,000 bytes, as amounts are given.
std::string in_kilobytes(std::uint64_t bytes) {
  constexpr std::uint64_t kFew = 10000;
  return bytes < kFew ? fmt::format("{} bytes", bytes) : fmt::format("{} KB", bytes / 1000);
}

}  // namespace

EvaluationSetup evaluation_setup(const MachineOptions& machine, const ModelSpec& spec, unsigned threads,
                                 std::size_t window_length) {
  if (machine.precision == Precision::kBf16 && best_precision() != Precision::kBf16)
    throw Error(ErrorCode::kUsage,
                "this processor has no bfloat16 products (AVX-512 BF16 or AMX); use `machine.precision` f32 or auto");
  const std::uint64_t memory = allowed_memory(machine);
  const std::uint64_t reserved = reserved_bytes(spec, threads, window_length);
  if (reserved > memory)
    fail(ErrorCode::kResource,
         "this model takes {} for one block in float and a window in each of {} threads, more than the {} allowed; "
         "raise `machine.max_memory` or lower `machine.threads`",
         in_kilobytes(reserved), threads, in_kilobytes(memory));
  return {.precision = machine.precision.value_or(best_precision()), .memory_limit = (memory - reserved) / 4};
}

}  // namespace quern
