// Rows of a stored tensor in the bytes of its codec. What a file says of them is checked here, before it is used.
#pragma once

#include <memory>

#include "checkpoint/checkpoint.h"
#include "codec/packed_tensor.h"

namespace quern {

// The codec that a tensor is stored in, without what it was trained to. Error(kInput) that names the tensor when there
// is none, or when its parts are not the planes of the codec.
const Codec& codec_of(const Checkpoint& checkpoint, const TensorEntry& entry);

// The same with its side information of the tensor. Error(kInput) when that is damaged.
std::shared_ptr<const Codec> tensor_codec(const Checkpoint& checkpoint, const TensorEntry& entry);

// Rows first .. first + count - 1, in memory. Error(kInput) when the offsets of a measured codec are not in order or
// leave their plane. REQUIRES: the tensor has these rows.
PackedTensor read_packed_rows(const Checkpoint& checkpoint, const TensorEntry& entry,
                              const std::shared_ptr<const Codec>& codec, std::uint64_t first, std::uint64_t count);

// Bytes of these rows in all planes, what all rows share counted with them. Reads two offsets of a measured codec.
std::uint64_t packed_row_bytes(const Checkpoint& checkpoint, const TensorEntry& entry, const Codec& codec,
                               std::uint64_t first, std::uint64_t count);

}  // namespace quern
