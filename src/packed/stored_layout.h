// How the parts of one logical tensor become the tensors of a safetensors file: as they are, or rearranged.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "packed/safetensors_header.h"

namespace quern {

// The bytes of the stored tensors that a whole part becomes, in the order of StoredPart::tensors.
using PartEncoder = std::function<std::vector<std::vector<std::byte>>(std::span<const std::byte>)>;

// The bytes of all stored tensors, out of all whole parts.
using PartsEncoder = std::function<std::vector<std::vector<std::byte>>(std::span<const std::vector<std::byte>>)>;

// One part (plane) of a tensor.
struct StoredPart {
  std::uint64_t bytes = 0;           // as CheckpointWriter takes them
  std::vector<std::size_t> tensors;  // indices into StoredLayout::tensors
  PartEncoder encode;                // null: the part is its one tensor
};

struct StoredLayout {
  std::vector<SafetensorsTensor> tensors;
  std::vector<StoredPart> parts;
  PartsEncoder encode_together;  // where what one part becomes depends on another; null: each part by itself
  // What is known from the head alone, by index of the tensor.
  std::vector<std::pair<std::size_t, std::vector<std::byte>>> constants;

  // Appends a tensor and returns its index. The bytes come from dtype and shape.
  std::size_t add(std::string name, std::string_view encoding, Shape shape);
  // A tensor that is a part as it stands.
  void add_part(std::string name, std::string_view encoding, Shape shape);
  void add_constant(std::string name, std::string_view encoding, Shape shape, std::span<const std::byte> content);
};

// Collects the parts that have an encoder until they are whole, or all of a tensor that is encoded together, and passes
// everything on to `inner`, whose tensors are the stored ones: tensor t of `layouts` begins at first[t] there, each
// with one part.
std::unique_ptr<CheckpointWriter> make_encoding_writer(std::unique_ptr<CheckpointWriter> inner,
                                                       std::vector<StoredLayout> layouts);

}  // namespace quern
