// The journal of a compression: which phases are done, and with what result.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "encode/journal.h"
#include "measure/divergence.h"
#include "plan/fallback.h"
#include "plan/size_plan.h"
#include "survey/sensitivity.h"

namespace quern {

// A plan to try, and what its tensors are taken to do alone (empty: not measured yet).
struct NextTrial {
  Plan plan;
  std::vector<StepHarm> harms;
};

class CompressJournal {
 public:
  // Continues what `folder` holds, or begins it. Errors: check_same_run, where the stamps of the model's files count as
  // long as its hashes are not on record.
  CompressJournal(const std::filesystem::path& folder, const Json& run);

  // Whether an earlier run had begun it.
  bool continues() const noexcept { return continues_; }
  std::size_t tensors() const;
  Journal& records() noexcept { return journal_; }

  bool knows_source() const;
  // Of the model's files when the run was begun.
  Json stamps() const;
  // Records the hashes of the model's files, or holds them against those on record. Errors: check_same_run.
  void expect_source(const Json& hashes);

  bool weights_are_checked() const { return journal_.find("weights checked").has_value(); }
  void add_weights_checked() { journal_.add("weights checked", true); }

  // Whether `file` holds the statistics that were collected.
  bool has_statistics(const std::filesystem::path& file) const;
  void add_statistics(const std::string& sha256) { journal_.add("statistics", sha256); }

  // The plan that followed `plan`, which missed the bound. Absent as well where its steps are not those of `plan`.
  std::optional<NextTrial> next(const Plan& plan) const;
  void add_next(const Plan& plan, const NextTrial& next);
  // What the steps of `plan` may become. Absent as well where it does not suit them.
  std::optional<std::vector<StepOptions>> survey(const Plan& plan) const;
  void add_survey(const Plan& plan, std::span<const StepOptions> options);
  // What was measured of the plan as a whole, or of these groups of its matrices together. Absent as well where it does
  // not suit them.
  std::optional<PlanHarm> together(const Plan& plan, const std::vector<StepGroup>& groups) const;
  void add_together(const Plan& plan, const std::vector<StepGroup>& groups, const PlanHarm& harm);
  // What was measured of the plan on the gate text.
  std::optional<Quality> gate(const Plan& plan) const;
  void add_gate(const Plan& plan, const Quality& quality);

 private:
  std::filesystem::path folder_;
  Journal journal_;
  bool continues_;
};

}  // namespace quern
