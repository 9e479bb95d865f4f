// What every program of the pipeline starts with: an opened model, its description, threads, arithmetic, memory.
#pragma once

#include <filesystem>
#include <optional>

#include "base/thread_pool.h"
#include "pipeline/evaluate.h"
#include "quern/checkpoint.h"
#include "quern/model_spec.h"
#include "quern/tokenizer.h"

namespace quern {

struct MachineOptions {
  unsigned threads = 0;                // 0: as many as the process may use
  std::optional<Precision> precision;  // absent: bf16 where the processor multiplies it, f32 elsewhere
  std::uint64_t max_memory = 0;        // bytes; 0: half of the machine's memory
};

// What a model that no architecture recognises is.
enum class Unrecognised { kRefuse, kList };  // kList: weights without blocks, as describe_or_list has them

struct OpenModel {
  Checkpoint checkpoint;
  ModelSpec spec;
  WeightSource weights;

  // Error(kInput) when it cannot be read or no architecture recognises it.
  explicit OpenModel(const std::filesystem::path& path, Unrecognised unrecognised = Unrecognised::kRefuse);
  OpenModel(const OpenModel&) = delete;
  OpenModel& operator=(const OpenModel&) = delete;

  WalkContext walk(ThreadPool& pool, Precision precision) const { return {spec, weights, pool, precision}; }
  bool can_run() const { return !spec.blocks.empty(); }
  std::uint64_t parameters() const;  // distinct weights
  std::uint64_t file_bytes() const;  // weights, configuration, tokenizer
  std::string name() const;          // of the folder, or of the file without extension
};

// Bytes that a run keeps to: what was asked for, else half of what the machine, the control group and the process
// allow.
std::uint64_t allowed_memory(const MachineOptions& machine);

// Bytes needed beside the hidden states: a block, the largest weight packed, and each thread's window or logits.
std::uint64_t reserved_bytes(const ModelSpec& spec, unsigned threads, std::size_t window_length);

// The arithmetic to use and the bytes of hidden states to keep: a quarter of what `threads` walking windows of this
// length through the largest block leave of max_memory, since a comparison keeps up to twice that at a time.
// Error(kResource) when nothing is left; the message says how much it needs.
EvaluationSetup evaluation_setup(const MachineOptions& machine, const ModelSpec& spec, unsigned threads,
                                 std::size_t window_length);

// Bytes of the largest block of weights in float plus its largest matrix once more (the peak while it is laid out).
std::uint64_t largest_block_bytes(const ModelSpec& spec);

// Bytes of the values that a window of this length takes on its way through a block, were none of them reused: an upper
// bound of what a thread holds.
std::uint64_t window_bytes(const ModelSpec& spec, std::size_t window_length);

}  // namespace quern
