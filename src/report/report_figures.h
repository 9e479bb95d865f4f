// The charts of the HTML report, with their legends. Empty where there is nothing to draw.
#pragma once

#include <string>

#include "report/report.h"
#include "report/tensor_grid.h"

namespace quern {

// What is known of a tensor, for hovering; lines end in \n.
std::string tip_of(const GridCell& cell);

std::string role_legend(const TensorGrid& grid);
std::string figure(const std::string& body, const std::string& caption);

// Bits per weight along the depth, a mark a matrix.
std::string depth_figure(const TensorGrid& grid);
// The curve that a size was chosen from; without a size the error of every matrix against its bytes.
std::string error_figure(const Report& report, const TensorGrid& grid);
// Trials of a fallback ladder against their bytes, with the bound; from two trials on.
std::string ladder_figure(const Report& report);

}  // namespace quern
