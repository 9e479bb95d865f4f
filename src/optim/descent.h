// Coordinate descent over codes: each in turn becomes what is best while all others of its row stay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/codec.h"
#include "optim/tiled_product.h"

namespace quern {

// Rows of a tensor with codes and side information that are not packed yet.
struct RoundedRows {
  MatrixView weights;
  std::size_t block = 0;            // columns that share side information
  std::vector<std::byte> sides;     // of each block of each row
  std::vector<std::int32_t> codes;  // of each column of each row
  Columns errors;                   // weights less decoded values

  std::byte* side(const Codec& codec, std::size_t row, std::size_t of_block) {
    return sides.data() + (row * (weights.cols / block) + of_block) * codec.side_bytes;
  }
  std::span<std::int32_t> row_codes(std::size_t row) {
    return std::span(codes).subspan(row * weights.cols, weights.cols);
  }
};

// Goes over the columns `sweeps` times, or until nothing changes. With g = D H, D the errors of a row, and all other
// codes as they are, tr(D H D^T) is least where column j decodes to q_j + g_j / H_jj: that is rounded, and kept if it
// loses less. Error feedback lets a column make up for those before it; here it makes up for those behind it as well
// (greedy updates of Chee et al. 2023, arXiv 2307.13304, appendix; CDQuant, Nair and Suggala 2024, arXiv 2406.17542).
// `matrix`: H of the inputs, damped as for feedback. Rows are independent but for those of a stripe, whose weights in a
// column stand under one H_jj, so that the best vector is the nearest to what each of them should be. REQUIRES: a code
// stands for weights of one column (codec.granule is codec.stripe).
void descend(const TiledMatrix& matrix, const Codec& codec, std::span<const float> importance, int sweeps,
             RoundedRows& rows);

}  // namespace quern
