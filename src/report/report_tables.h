// The tables and maps of the HTML report. Empty where there is nothing to show.
#pragma once

#include <string>

#include "report/report.h"
#include "report/tensor_grid.h"

namespace quern {

std::string headline_table(const Report& report);
std::string formats_table(const Report& report);
std::string ladder_table(const Report& report);
// Every tensor with its figures: what the charts show, for reading. The largest models are cut off, and say so.
std::string tensor_table(const Report& report);

// Blocks by roles, coloured by bits, with the codec's name.
std::string precision_map_of(const TensorGrid& grid);
// Blocks by roles, coloured by what each matrix was measured to lose alone.
std::string sensitivity_map(const TensorGrid& grid);

}  // namespace quern
