// The types of ggml with their block sizes, as ggml.h and ggml-common.h define them. Ids without a row were removed
// from ggml (4, 5, 31-33, 36-38); 36 is I2_S in bitnet.cpp.
#include <algorithm>

#include "base/bytes.h"
#include "base/fail.h"
#include "format/gguf.h"

namespace quern {
namespace {

constexpr std::uint32_t kI2sFileType = 40, kI2sRoom = 32;  // of bitnet.cpp's llama.h and ggml.c

constexpr GgmlType kTypes[] = {
    {"f32", 0, 1, 4, 0},
    {"f16", 1, 1, 2, 1},
    {"q4_0", 2, 32, 18, 2},
    {"q4_1", 3, 32, 20, 3},
    {"q5_0", 6, 32, 22, 8},
    {"q5_1", 7, 32, 24, 9},
    {"q8_0", 8, 32, 34, 7},
    {"q8_1", 9, 32, 40},
    {"q2_k", 10, 256, 84, 10},
    {"q3_k", 11, 256, 110, 12},
    {"q4_k", 12, 256, 144, 15},
    {"q5_k", 13, 256, 176, 17},
    {"q6_k", 14, 256, 210, 18},
    {"q8_k", 15, 256, 292},
    {"iq2_xxs", 16, 256, 66, 19},
    {"iq2_xs", 17, 256, 74, 20},
    {"iq3_xxs", 18, 256, 98, 23},
    {"iq1_s", 19, 256, 50, 24},
    {"iq4_nl", 20, 32, 18, 25},
    {"iq3_s", 21, 256, 110, 26},
    {"iq2_s", 22, 256, 82, 28},
    {"iq4_xs", 23, 256, 136, 30},
    {"i8", 24, 1, 1},
    {"i16", 25, 1, 2},
    {"i32", 26, 1, 4},
    {"i64", 27, 1, 8},
    {"f64", 28, 1, 8},
    {"iq1_m", 29, 256, 56, 31},
    {"bf16", 30, 1, 2, 32},
    {"tq1_0", 34, 256, 54, 36},
    {"tq2_0", 35, 256, 66, 37},
    {"i2_s", 36, 128, 32, kI2sFileType, kI2sRoom},
    {"i2_s_rows", 36, 1, 1, kI2sFileType, kI2sRoom, 4},
    {"mxfp4", 39, 32, 17, 38},
    {"nvfp4", 40, 64, 36},
    {"q1_0", 41, 128, 18},
    {"q2_0", 42, 64, 18},
};

}  // namespace

std::span<const GgmlType> ggml_types() { return kTypes; }

const GgmlType* find_ggml_type(std::uint32_t id) {
  const auto at =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const GgmlType& type) { return type.id == id; });
  return at == std::end(kTypes) ? nullptr : at;
}

const GgmlType* find_ggml_type(std::string_view name) {
  const auto at =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const GgmlType& type) { return type.name == name; });
  return at == std::end(kTypes) ? nullptr : at;
}

std::uint64_t ggml_bytes(const GgmlType& type, const Shape& shape) {
  const RowLayout layout = row_layout(shape);
  if (layout.cols % type.block_weights) {
    fail(ErrorCode::kInput, "rows of shape {} are no multiple of the {} weights of a {} block", to_string(shape),
         type.block_weights, type.name);
  }
  if (layout.rows % type.block_rows) {
    fail(ErrorCode::kInput, "the {} rows of shape {} are no multiple of the {} of a {} block", layout.rows,
         to_string(shape), type.block_rows, type.name);
  }
  const auto row = checked_mul(layout.cols / type.block_weights, type.block_bytes);
  const auto bytes = row ? checked_mul(*row, layout.rows / type.block_rows) : std::nullopt;
  if (!bytes || *bytes > UINT64_MAX - type.scale_room)
    fail(ErrorCode::kInput, "{} of shape {} has more bytes than 64 bits can count", type.name, to_string(shape));
  return *bytes + type.scale_room;
}

std::vector<TensorPart> ggml_parts(const GgmlType& type, std::uint64_t offset, std::uint64_t bytes) {
  if (!type.scale_room) return {{0, offset, bytes}};
  const std::uint64_t blocks = bytes - type.scale_room;
  return {{0, offset, blocks}, {0, offset + blocks, sizeof(float)}};
}

}  // namespace quern
