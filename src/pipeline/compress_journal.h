// The journal of a compression: which phases are done, and with what result.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/divergence.h"
#include "pipeline/journal.h"
#include "plan/fallback.h"

namespace quern {

// A plan to try, and what its tensors are taken to do alone (empty: not measured yet).
struct NextTrial {
  Plan plan;
  std::vector<StepHarm> harms;
};

class CompressJournal {
 public:
  // Continues what `folder` holds, or begins it. Errors: check_same_run.
  CompressJournal(const std::filesystem::path& folder, const Json& run);

  // Whether an earlier run had begun it.
  bool continues() const noexcept { return continues_; }
  std::size_t tensors() const;
  Journal& records() noexcept { return journal_; }

  bool weights_are_checked() const { return journal_.find("weights checked") != nullptr; }
  void add_weights_checked() { journal_.add("weights checked", true); }

  // Whether `file` holds the statistics that were collected.
  bool has_statistics(const std::filesystem::path& file) const;
  void add_statistics(const std::string& sha256) { journal_.add("statistics", sha256); }

  // The plan that was made of `plan`. Absent as well where its steps are not those of `plan`.
  enum class Reason { kSize, kMissedBound };
  std::optional<NextTrial> next(const Plan& plan, Reason reason) const;
  void add_next(const Plan& plan, Reason reason, const NextTrial& next);
  // What was measured of the plan on the gate text.
  std::optional<Quality> gate(const Plan& plan) const;
  void add_gate(const Plan& plan, const Quality& quality);

 private:
  Journal journal_;
  bool continues_;
};

}  // namespace quern
