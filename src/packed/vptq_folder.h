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

  unsigned bits() const;  // of the indices of a vector
  std::uint64_t row_bytes(std::uint64_t cols) const { return (cols * bits() + 7) / 8; }
  std::uint64_t row_words(std::uint64_t cols) const { return (cols * bits() + 31) / 32; }
  std::uint64_t index_rows(std::uint64_t rows) const { return (rows + length - 1) / length; }
};

std::span<const VectorEncoding> vector_encodings();
// Null when there is none.
const VectorEncoding* find_vector_encoding(std::string_view name);
const VectorEncoding* find_vector_encoding(std::uint64_t length, std::uint64_t centroids, std::uint64_t residuals);

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
};
// Its planes; none where they cannot hold what the centroids are. Reads the centroids.
std::vector<TensorPart> planes_of_vectors(const StoredVectors& of, const VectorEncoding& encoding,
                                          const LayoutTable& table);

}  // namespace quern
