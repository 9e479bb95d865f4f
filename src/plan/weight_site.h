// Where in its model a weight stands: what rules for choosing a number format look at.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/model_spec.h"

namespace quern {

// Kinds of matrices that rules tell apart.
enum class Part {
  kAny,           // in a rule: every weight
  kLogits,        // the head, or the embedding where the head multiplies by it
  kEmbed,         // an embedding that makes no logits
  kValue,         // attn.v, and attn.qkv, which contains it
  kKey,           // attn.k
  kAttentionOut,  // attn.o
  kDown,          // mlp.down, moe.down
  kStateInput,    // ssm.x, ssm.dt, ssm.B and ssm.C: small, and they steer a state-space model's step and state
  kKernel,        // of a convolution, or too narrow for packing: in models that nothing recognises
  kOther,
};

Part part_of(const Weight& weight, const ModelSpec& spec);

// Weights that are small and sensitive, or no factor of a matrix product: norms, biases and other vectors, routers,
// A_log, D, convolutions, position tables. They keep 16 or 32 bits unless a precision map names them.
bool keeps_precision(const Weight& weight);

// Of those, the ones that a runtime computes with value by value, so that a container may prescribe their encoding: all
// but routers and position tables.
bool is_elementwise(const Weight& weight);

struct WeightSite {
  const Weight& weight;
  const ModelSpec& spec;
  std::string_view source_encoding;
  bool has_statistics = false;  // importance of columns is known

  Part part() const { return part_of(weight, spec); }
  // The model's extent, or 0 where its family has none of that name.
  std::uint64_t extent(std::string_view name) const;
  // How many weights of the same part stand in lower layers, and how many there are in all.
  std::int64_t rank() const;
  std::int64_t siblings() const;
};

struct RowsOfWeight {
  std::uint64_t rows = 1, cols = 1;
};
// The last axis is the row. A vector is one row.
RowsOfWeight rows_of(const Weight& weight);

}  // namespace quern
