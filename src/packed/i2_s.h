// I2_S, the ternary type of bitnet.cpp's llama.cpp: ggml type 36 there.
#pragma once

#include <cstdint>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace quern {

// Of a GGUF tensor. llama.cpp had 36 for IQ4_NL_4_4, an order of blocks in memory that no file ever had.
inline constexpr std::uint32_t kI2sType = 36;

// Bytes of a tensor in the file, which differ from those of any type of llama.cpp. Error(kInput) where its weights are
// no whole blocks.
std::uint64_t i2_s_bytes(const Shape& shape);

// The tensor as floats, decoded while it is read. REQUIRES: one part of i2_s_bytes(shape) bytes, at its place in the
// file.
TensorEntry decoded_i2_s(const TensorEntry& stored);

// How the tensor was stored, as decoded_from says it.
inline constexpr std::string_view kI2sName = "I2_S of bitnet.cpp, ternary";
// What a person should know of any file that has them.
inline constexpr std::string_view kI2sNote =
    "I2_S tensors are read in the order of the released files and of bitnet.cpp's converter (blocks of 128 weights in "
    "32 bytes); llama-quantize of a bitnet.cpp built for Arm, or without ACT_PARALLEL, writes other orders, and no "
    "file says which: if the text is nonsense, convert the model anew";

}  // namespace quern
