// The tensors in PyTorch's pickles: which storage, where in it, and of what type.
#pragma once

#include <optional>
#include <string>

#include "archive/pickle.h"
#include "archive/quantized_part.h"
#include "checkpoint/byte_run.h"

namespace quern {

// A type of elements. Older pickles name the class of a typed storage, newer ones the dtype.
struct TorchType {
  const char* storage;   // "FloatStorage" of torch; "": only by the dtype
  const char* dtype;     // "float32" of torch
  const char* encoding;  // "f32"; of a quantized type that of its integers; null: none that checkpoints know
  std::uint64_t bytes, word_bytes;
};

// What a persistent id says of a storage, which lies outside the pickle.
struct TorchStorage {
  std::string key;
  const TorchType* type = nullptr;  // null: bytes (UntypedStorage)
  std::uint64_t elements = 0;
  std::uint64_t view_offset = 0;  // in elements: a legacy file may say that it is a part of the stored one

  std::uint64_t element_bytes() const { return type ? type->bytes : 1; }
};

inline constexpr std::size_t kMostAxes = 64;  // of a tensor, which is what PyTorch allows

struct TorchTensor {
  TorchStorage storage;
  const TorchType* type = nullptr;
  std::uint64_t offset = 0;  // in elements of the storage
  Shape shape;
  std::vector<std::uint64_t> strides;
  std::optional<TorchQuantization> quantization;
};

// nullopt: the node is not a storage's id. Error(kInput) when it is one, and damaged.
std::optional<TorchStorage> torch_storage_of(const Pickle& pickle, const PickleNode& node);
// nullopt: the node is not a tensor, or of a kind that is not read (sparse, quantized by channel, complex numbers of
// 128 bits). Error(kInput) when its arguments are not what they must be.
std::optional<TorchTensor> torch_tensor_of(const Pickle& pickle, const PickleNode& node);

// The tensor as a part of the storage's bytes. Quantized ones read as f32. Error(kInput) when it reaches beyond them.
TensorPart torch_part(const TorchTensor& tensor, const ByteRun& storage, std::uint32_t file,
                      StridedLayout::Order order);
// Encoding of what the part reads.
const char* torch_encoding(const TorchTensor& tensor);

}  // namespace quern
