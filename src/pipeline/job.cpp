// Opening a model, and fitting its evaluation into memory.
#include "pipeline/job.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "quern/error.h"

namespace quern {
namespace {

std::uint64_t half_of_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGE_SIZE);
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size) / 2;
}

std::uint64_t elements(const Weight& weight) {
  std::uint64_t count = 1;
  for (const Axis& axis : weight.axes) count *= axis.extent;
  return count;
}

}  // namespace

OpenModel::OpenModel(const std::filesystem::path& path)
    : checkpoint(open_checkpoint(path)), spec(describe_model(checkpoint)), weights(checkpoint) {}

std::uint64_t OpenModel::parameters() const {
  std::uint64_t sum = 0;
  std::set<std::string> seen;
  for (const Weight& weight : spec.weights)
    if (seen.insert(weight.tensor).second) sum += elements(weight);
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
      sum += elements(spec.weights[w]);
      largest = std::max(largest, elements(spec.weights[w]));
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
      widths[op.output] = width;
      sum += width;
    }
    most = std::max(most, sum);
  }
  return sizeof(float) * window_length * most;
}

EvaluationSetup evaluation_setup(const MachineOptions& machine, const ModelSpec& spec, unsigned threads,
                                 std::size_t window_length) {
  const std::uint64_t memory = machine.max_memory ? machine.max_memory : half_of_memory();
  const std::uint64_t block = largest_block_bytes(spec), windows = threads * window_bytes(spec, window_length);
  if (block + windows > memory)
    fail(ErrorCode::kResource,
         "one block of this model takes {} MB in float and a window in each of {} threads up to {} MB, more than the "
         "{} MB allowed; "
         "raise --max-memory or lower --threads",
         block >> 20, threads, windows >> 20, memory >> 20);
  return {.precision = machine.precision.value_or(best_precision()), .memory_limit = (memory - block - windows) / 4};
}

}  // namespace quern
