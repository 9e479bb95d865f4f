// The tensors of a report laid out as the model has them: blocks by roles.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace quern {

// Tensors of one role in one block: one, or in a mixture one an expert. Empty where the block has none.
struct GridCell {
  std::string role, tensor;  // name of the first
  std::string codec;         // of all of them; "several" where they differ
  std::size_t tensors = 0;
  std::uint64_t bytes = 0, parameters = 0;
  std::optional<double> kld, predicted_kld;  // sums, nats
  std::string measured_codec;

  bool empty() const { return tensors == 0; }
  double bits() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters); }
};

struct TensorGrid {
  std::vector<std::string> roles;             // of all matrices, as they first come
  std::vector<std::string> columns;           // of those in blocks
  std::vector<std::vector<GridCell>> blocks;  // [block][column]
  std::vector<GridCell> before, after;        // matrices outside the blocks, a cell each
  std::size_t kept_tensors = 0;               // vectors and what else is not packed: in no cell
  std::uint64_t kept_parameters = 0;

  std::size_t style_of(const std::string& role) const;  // index into `roles`
};

TensorGrid tensor_grid(const Report& report);

// Cells in the order of depth, those outside the blocks included.
std::vector<const GridCell*> cells_of(const TensorGrid& grid);

}  // namespace quern
