// The table of packed integer types.
#include "packed/quantized_types.h"

#include <algorithm>

namespace quern {
namespace {

using Zeros = PackedEncoding::Zeros;

constexpr PackedEncoding kEncodings[] = {{"int8_channel", 8, 0, Zeros::kNone},  {"int4_g32", 4, 32, Zeros::kNone},
                                         {"int4_g64", 4, 64, Zeros::kNone},     {"int4_g128", 4, 128, Zeros::kNone},
                                         {"int4a_g32", 4, 32, Zeros::kStored},  {"int4a_g64", 4, 64, Zeros::kStored},
                                         {"int4a_g128", 4, 128, Zeros::kStored}};

constexpr BlockEncoding kBlockEncodings[] = {{"nf4", BlockEncoding::Scales::kPlain},
                                             {"nf4_dq", BlockEncoding::Scales::kNested}};

}  // namespace

std::span<const PackedEncoding> packed_encodings() { return kEncodings; }

const PackedEncoding* find_packed_encoding(std::string_view name) {
  const auto at = std::ranges::find(kEncodings, name, &PackedEncoding::name);
  return at == std::end(kEncodings) ? nullptr : at;
}

const BlockEncoding* find_block_encoding(std::string_view name) {
  const auto at = std::ranges::find(kBlockEncodings, name, &BlockEncoding::name);
  return at == std::end(kBlockEncodings) ? nullptr : at;
}

const BlockEncoding& block_encoding(BlockEncoding::Scales scales) {
  return *std::ranges::find(kBlockEncodings, scales, &BlockEncoding::scales);
}

std::string_view encoding_of_copy(std::string_view encoding) {
  return find_block_encoding(encoding) ? block_encoding(BlockEncoding::Scales::kPlain).name : encoding;
}

}  // namespace quern
