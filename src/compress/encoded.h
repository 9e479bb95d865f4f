// The sixth phase: the files of a plan, measured, and raised until the bound holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compress/planned.h"
#include "report/report.h"

namespace quern {

struct Encoded {
  std::vector<Trial> ladder;            // in the order tried; the last one is what was written
  std::vector<ReportedTensor> tensors;  // of that
  std::string folder;                   // of its files, within the output folder
  bool accepted = false;                // whether the bound holds
  std::vector<std::string> notes = {};  // of what was known of inputs in sequence
};

// The original's scored rows on one text, computed when first needed.
class Reference {
 public:
  // REQUIRES: the arguments outlive this.
  Reference(const Opened& opened, const Windows& windows, std::string stage);

  Quality quality_of(const OpenModel& candidate);

 private:
  const Opened& opened_;
  const Windows& windows_;
  std::string stage_;
  std::optional<ActivationStore> rows_;
};

// What comes before: all that encoding goes by.
struct EncodeFrom {
  const Opened& opened;
  const CompressTexts& texts;
  const Calibrated& calibrated;
  const Planned& planned;
};

// Encodes the plan and, where a bound is asked for, measures it on the gate text and raises what hurts until the bound
// holds, or nothing can be raised any more. Trials that the journal knows the outcome of are not encoded again, nor are
// tensors that a trial or a candidate before had.
Encoded encode_within_bound(const EncodeFrom& from, const WorkFiles& work);

}  // namespace quern
