// Codecs that safetensors folders hold in Quern's own layout: each plane of a tensor T is a tensor of bytes beside it.
//
//   T.CODEC.PLANE  U8   [bytes]  one for each plane of the codec
//   T.CODEC.shape  I64  [axes]   the extents of T
//
// The names say all that is needed to read them. No other program does: config.json names the method "quern", so that
// one that looks there refuses the folder instead of missing its weights.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "packed/stored_layout.h"

namespace quern {

struct PlaneEncoding {
  std::string_view name;                     // of the codec
  std::span<const std::string_view> planes;  // names of its planes, in its order
  std::string_view offsets =
      {};  // the plane of u64 that says where each row begins and where the last ends; empty: none
};

// Those of this program are built_in_plane_encodings, unless it says otherwise (plane_type_list.cpp).
std::vector<PlaneEncoding> built_in_plane_encodings();
std::vector<PlaneEncoding> list_plane_encodings();
std::span<const PlaneEncoding> plane_encodings();
// Null when there is none.
const PlaneEncoding* find_plane_encoding(std::string_view name);

// Puts the planes of each such tensor together. Error(kInput) that names the tensor when one is missing or of another
// kind or size.
void join_plane_tensors(Checkpoint::Contents& contents);

StoredLayout lay_out_planes(const TensorSpec& tensor, const PlaneEncoding& encoding);

// Whether a configuration says that the weights are stored so.
bool declares_planes(const Json& config);
Json with_plane_config(const Json& config);

}  // namespace quern
