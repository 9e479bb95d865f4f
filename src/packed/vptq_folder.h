// Matrices as the vptq package stores them (vptq_layers.cpp), out of the codecs of that method and back.
#pragma once

#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "packed/layout_table.h"
#include "packed/stored_layout.h"

namespace quern {

// A codec with planes {indices, codebook} (codec/vptq.cpp).
struct VectorEncoding {
  std::string_view name;
  std::uint32_t length = 0;  // of a vector
  std::uint32_t centroids = 0, residuals = 0;
  std::uint32_t of_outliers = 0;  // centroids of halves of vectors, in the first hundredth of columns; 0: none has such

  unsigned bits() const;  // of the indices of a vector
  std::uint32_t half() const { return length / 2; }
  std::uint64_t outliers(std::uint64_t cols) const { return of_outliers == 0 ? 0 : (cols + 99) / 100; }
  // Numbers of all codebooks.
  std::uint64_t numbers() const {
    return (std::uint64_t{centroids} + residuals) * length + std::uint64_t{of_outliers} * half();
  }
  std::uint64_t row_bytes(std::uint64_t cols) const { return ((cols + outliers(cols)) * bits() + 7) / 8; }
  std::uint64_t side_bytes(std::uint64_t cols) const {
    return sizeof(float) + numbers() * sizeof(std::uint16_t) + outliers(cols) * sizeof(std::uint32_t);
  }
  // As the package stores them: without outliers.
  std::uint64_t row_words(std::uint64_t cols) const { return ((cols - outliers(cols)) * bits() + 31) / 32; }
  std::uint64_t index_rows(std::uint64_t rows) const { return (rows + length - 1) / length; }
};

std::span<const VectorEncoding> vector_encodings();
// Null when there is none.
const VectorEncoding* find_vector_encoding(std::string_view name);
const VectorEncoding* find_vector_encoding(std::uint64_t length, std::uint64_t centroids, std::uint64_t residuals,
                                           std::uint64_t of_outliers);

// The columns of a matrix as a folder has them: those of outliers, then the others, both ascending.
std::vector<std::uint32_t> order_of_columns(std::span<const std::uint32_t> outliers, std::uint64_t cols);

// Why a tensor of this name and number of axes cannot be stored so, as a sentence; null: it can.
const char* why_not_of_vectors(std::string_view tensor, std::size_t axes);

// How a tensor of this encoding is stored. Error(kInput) when it cannot be.
StoredLayout lay_out_vptq_weight(const TensorSpec& tensor, const VectorEncoding& encoding);

// `config` with the quantization_config that describes the tensors of vectors, or with none when there is no such
// tensor. Null stays null unless there is something to describe.
Json with_vptq_config(const Json& config, const std::vector<TensorSpec>& tensors);

// A matrix of [rows, cols] that is stored like lay_out_vptq_weight() does it.
struct StoredVectors {
  std::uint64_t rows = 0, cols = 0;
  const TensorEntry *indices = nullptr, *centroids = nullptr, *residuals = nullptr;  // or no residuals
  const TensorEntry *outlier_indices = nullptr, *of_outliers = nullptr;              // or none
  std::vector<std::uint32_t> outliers;                                               // columns, ascending
};
// Its planes; none where they cannot hold what the centroids are. Reads the centroids.
std::vector<TensorPart> planes_of_vectors(const StoredVectors& of, const VectorEncoding& encoding,
                                          const LayoutTable& table);

}  // namespace quern
