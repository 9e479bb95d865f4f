// Tensors that were encoded before, by what their bytes depend on: whoever finds such bytes need not encode again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "encode/journal.h"
#include "encode/weight_rows.h"
#include "optim/optimizer.h"
#include "plan/plan.h"

namespace quern {

struct StepRecord {
  std::string hash;  // of the checksums of its tasks: as joined_hash and TensorFiles::hash make it
  EncodeError error;
};

class StepRecords {
 public:
  // In the journal of a run, under keys that begin with kPrefix. REQUIRES: the journal outlives this.
  StepRecords(Journal& journal, StatisticsHashes statistics);

  static constexpr const char* kPrefix = "tensor ";
  std::optional<StepRecord> find(const PlanStep& step) const;
  void add(const PlanStep& step, const StepRecord& record);

 private:
  std::string key_of(const PlanStep& step) const;

  Journal& journal_;
  StatisticsHashes statistics_;
};

// The checksum of bytes of one plane, as text.
std::string plane_sum(ByteSpan bytes);
// Those of one task, plane by plane.
std::string packed_sums(const PackedTensor& packed);
// The hash of a tensor whose tasks have these checksums.
std::string joined_hash(const std::vector<std::string>& of_tasks);

}  // namespace quern
