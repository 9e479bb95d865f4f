// A folder a plan, beside that of the Hessians.
#include "compress/sequenced.h"

#include "base/fail.h"
#include "compress/candidates.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const WorkFiles& work, const Plan& plan) {
  return work.folder / fmt::format("sequence-{:.16}", sequence_hash(plan));
}

std::shared_ptr<const SequentialCalibration> collect(const Opened& opened, const CompressTexts& texts,
                                                     const Calibrated& calibrated, const WorkFiles& work,
                                                     const Plan& plan) {
  const SequentialFrom from{.original = opened.walk(),
                            .windows = texts.calibration->windows,
                            .plan = plan,
                            .encoding = encode_input(opened, calibrated),
                            .hidden_limit = opened.setup.memory_limit / 2,  // of two models
                            .memory_limit = opened.setup.memory_limit,
                            .model = calibrated.hashes().moments};
  return std::make_shared<const SequentialCalibration>(from, folder_of(work, plan), work.records);
}

}  // namespace

std::shared_ptr<const SequentialCalibration> calibrate_sequence(const Opened& opened, const CompressTexts& texts,
                                                                const Calibrated& calibrated, const WorkFiles& work,
                                                                const Plan& plan) {
  return collect_in(folder_of(work, plan), [&] { return collect(opened, texts, calibrated, work, plan); });
}

}  // namespace quern
