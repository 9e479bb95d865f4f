// Statistics behind what is compressed, for a plan that is made already.
#pragma once

#include <memory>

#include "compress/calibrated.h"
#include "sequential/sequential_calibration.h"

namespace quern {

// Of a plan with steps in sequence, in the folder of the work, which goes on with what is there. Files that are damaged
// are collected again. REQUIRES: there is a calibration text, and the arguments outlive the result.
std::shared_ptr<const SequentialCalibration> calibrate_sequence(const Opened& opened, const CompressTexts& texts,
                                                                const Calibrated& calibrated, const WorkFiles& work,
                                                                const Plan& plan);

}  // namespace quern
