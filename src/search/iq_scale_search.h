// The search for d and the scales of a block of a grid format (iq1 to iq3 of GGUF), given what each granule could be
// stored as.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "search/lanes.h"

namespace quern {

inline constexpr std::size_t kGridBlock = 256, kMostGridRuns = 16;

// Side information of a block: a run of weights has the scale d * unit * (scales[j] + 0.5), and the entries of one of
// the format's grids.
struct GridSide {
  std::uint16_t d = 0;  // binary16
  std::array<std::uint8_t, kMostGridRuns> scales{}, grids{};
};

// Eight ways to store a granule: the sums of w x v and w v^2 of each (iq_scores.h).
struct GranuleSums {
  Lanes xv, vv;
};

struct GridScaleProblem {
  std::size_t runs, granules;  // of a block, of a run
  std::size_t grids;           // that a run chooses from
  float scales, unit;          // number of scales that are stored, and d's factor
  // Of each grid, of each run, of each granule. Lane i was best under the same scale in all granules of a run.
  std::span<const GranuleSums> sums;

  std::span<const GranuleSums> run(std::size_t grid, std::size_t j) const {
    return sums.subspan((grid * runs + j) * granules, granules);
  }
};

// 1. Each lane of a run is a choice of codes; the error is a parabola of the scale.
// 2. A fine ladder of d, eight at a time: every run takes the scale that its parabolas like best.
// 3. At the few best d every run takes the scale of least error near that, every granule the best of its eight ways;
//    then d is solved by least squares for these, until nothing improves.
GridSide choose_grid_scales(const GridScaleProblem& problem);

}  // namespace quern
