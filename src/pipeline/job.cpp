// Opening a model, and fitting its evaluation into memory.
#include "pipeline/job.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "quern/error.h"

namespace quern {
namespace {

// Of the machine, the control group and the process, whichever allows least.
std::uint64_t half_of_memory() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  std::uint64_t memory = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  std::uint64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group) memory = std::min(memory, group);
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY)
    memory = std::min<std::uint64_t>(memory, data.rlim_cur);
  return memory / 2;
}

std::uint64_t largest_weight(const ModelSpec& spec) {
  std::uint64_t most = 0;
  for (const Weight& weight : spec.weights) most = std::max(most, weight.elements());
  return most;
}

}  // namespace

OpenModel::OpenModel(const std::filesystem::path& path, Unrecognised unrecognised)
    : checkpoint(open_checkpoint(path)),
      spec(unrecognised == Unrecognised::kList ? describe_or_list(checkpoint) : describe_model(checkpoint)),
      weights(checkpoint) {}

std::uint64_t OpenModel::parameters() const {
  std::uint64_t sum = 0;
  std::set<std::string> seen;
  for (const Weight& weight : spec.weights)
    if (seen.insert(weight.tensor).second) sum += weight.elements();
  return sum;
}

std::uint64_t OpenModel::file_bytes() const {
  std::uint64_t sum = 0;
  for (const SourceFile& file : checkpoint.files()) sum += file.bytes;
  return sum;
}

std::string OpenModel::name() const {
  std::error_code ec;
  const std::filesystem::path full = std::filesystem::canonical(checkpoint.path(), ec);
  return std::filesystem::is_directory(full, ec) ? full.filename().string() : full.stem().string();
}

std::uint64_t largest_block_bytes(const ModelSpec& spec) {
  std::uint64_t most = 0;
  for (std::size_t b = 1; b + 1 < spec.blocks.size(); ++b) {
    std::uint64_t sum = 0, largest = 0;
    for (const std::size_t w : spec.weights_of(spec.blocks[b])) {
      sum += spec.weights[w].elements();
      largest = std::max(largest, spec.weights[w].elements());
    }
    most = std::max(most, sizeof(float) * (sum + largest));
  }
  return most;
}

std::uint64_t window_bytes(const ModelSpec& spec, std::size_t window_length) {
  std::uint64_t most = 0;
  for (const Block& block : spec.blocks) {
    if (&block == &spec.blocks.back()) continue;  // its logits come a tile at a time
    std::map<std::string, std::uint64_t> widths;
    std::uint64_t sum = spec.extent("hidden");
    for (const Op& op : block.ops) {
      const auto input = widths.find(op.inputs.at(0));
      std::uint64_t width = input == widths.end() ? spec.extent("hidden") : input->second;
      if (std::holds_alternative<LinearOp>(op.kind)) width = spec.weights[op.weights.at(0)].axes.at(0).extent;
      if (const auto* slice = std::get_if<SliceOp>(&op.kind)) width = slice->width;
      // Gathered rows, gate, up and their product, of all the experts that a token passes.
      if (const auto* experts = std::get_if<ExpertsOp>(&op.kind))
        sum += experts->used * (spec.extent("hidden") + 4 * spec.extent("inner"));
      widths[op.output] = width;
      sum += width;
    }
    most = std::max(most, sum);
  }
  return sizeof(float) * window_length * most;
}

std::uint64_t reserved_bytes(const ModelSpec& spec, unsigned threads, std::size_t window_length) {
  // A weight measured alone is held packed, at most a byte and a bit a weight. Logits: two tiles of half a window.
  const std::uint64_t logits = 2 * sizeof(float) * kHeadTileRows * (window_length / 2);
  return largest_block_bytes(spec) + largest_weight(spec) * 9 / 8 +
         threads * std::max(window_bytes(spec, window_length), logits);
}

std::uint64_t allowed_memory(const MachineOptions& machine) {
  return machine.max_memory ? machine.max_memory : half_of_memory();
}

EvaluationSetup evaluation_setup(const MachineOptions& machine, const ModelSpec& spec, unsigned threads,
                                 std::size_t window_length) {
  if (machine.precision == Precision::kBf16 && best_precision() != Precision::kBf16)
    throw Error(ErrorCode::kUsage,
                "this processor has no bfloat16 products (AVX-512 BF16 or AMX); use --compute f32 or auto");
  const std::uint64_t memory = allowed_memory(machine);
  const std::uint64_t reserved = reserved_bytes(spec, threads, window_length);
  if (reserved > memory)
    fail(ErrorCode::kResource,
         "this model takes {} KB for one block in float and a window in each of {} threads, more than the {} KB "
         "allowed; "
         "raise --max-memory or lower --threads",
         reserved >> 10, threads, memory >> 10);
  return {.precision = machine.precision.value_or(best_precision()), .memory_limit = (memory - reserved) / 4};
}

}  // namespace quern
