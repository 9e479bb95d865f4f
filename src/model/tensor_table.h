// The tensors of a family under the names of transformers and of GGUF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_spec.h"

namespace quern {

struct TensorRow {
  enum class Place { kLayer, kModel };
  // How transformers stores it where that differs from `axes`: a matrix as [inputs, outputs]; a kernel [channels, 1,
  // taps].
  enum class Spelling { kPlain, kTransposed, kUnitAxis };

  const char* key;                     // unique within the family
  const char* role;                    // Weight::role
  const char* transformers;            // behind the prefix of its place; "*" stands for the index of an expert
  const char* gguf;                    // behind "blk.N." where it is in a layer
  std::vector<std::string_view> axes;  // expressions over extents, outputs first
  const char* group = "";              // Weight::group, behind "layers.N." where it is in a layer
  const char* option = "";             // the option that it depends on; empty: always there
  Place place = Place::kLayer;
  Spelling spelling = Spelling::kPlain;
};

// Whose names a checkpoint follows, and what stands before them.
struct Naming {
  bool gguf = false;
  std::string root;    // "model.", "transformer.", or empty as some checkpoints have it
  std::string layers;  // "model.layers.", "blk."

  // With the "*" of an expert's index left in. REQUIRES: layer >= 0 exactly where the tensor is in a layer.
  std::string name_of(const TensorRow& row, std::int32_t layer) const;
};

std::string gguf_name(const TensorRow& row, std::int32_t layer);

// Whether such a tensor is stored as [inputs, outputs].
bool is_transposed(const TensorRow& row, const Naming& naming, TensorEntry::Axes axes);

// The axes of one of its tensors in the order in which it is stored ("1" for the axis of a kernel). Of a row whose name
// has a "*", one expert's.
std::vector<std::string_view> stored_axes(const TensorRow& row, const Naming& naming,
                                          TensorEntry::Axes axes = TensorEntry::Axes::kOfModule);

// Name with the expert's index in place of the "*".
std::string expert_name(std::string_view name, std::uint64_t expert);

}  // namespace quern
