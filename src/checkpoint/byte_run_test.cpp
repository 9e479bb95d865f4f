// Tensors cut from runs of bytes. That their elements come in order is tested with the files that have such tensors.
#include "checkpoint/byte_run.h"

#include <gtest/gtest.h>

#include "base/fail.h"

namespace quern {
namespace {

std::string refusal_of(std::uint64_t run_bytes, const StridedLayout& layout) {
  try {
    strided_part({100, run_bytes}, 0, layout);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

StridedLayout floats(std::uint64_t offset, Shape shape, std::vector<std::uint64_t> strides) {
  return {4, offset, std::move(shape), std::move(strides), StridedLayout::Order::kLittleEndian, 4};
}

TEST(ByteRun, ContiguousTensorsAreReadWhereTheyLie) {
  for (const StridedLayout& layout :
       {floats(8, {2, 3}, {3, 1}), floats(8, {2, 1, 3}, {3, 77, 1}), floats(8, {6}, {1})}) {
    const TensorPart part = strided_part({100, 32}, 5, layout);
    EXPECT_EQ(part.file, 5u);
    EXPECT_EQ(part.offset, 108u);
    EXPECT_EQ(part.bytes, 24u);
    EXPECT_FALSE(part.decoder);
  }
  EXPECT_TRUE(strided_part({100, 32}, 0, floats(8, {2, 3}, {1, 2})).decoder);
  EXPECT_EQ(strided_part({100, 0}, 0, floats(0, {0, 3}, {3, 1})).bytes, 0u);
}

TEST(ByteRun, WhatLiesBeyondTheRunIsRefused) {
  EXPECT_EQ(refusal_of(32, floats(8, {2, 3}, {3, 1})), "");
  EXPECT_NE(refusal_of(31, floats(8, {2, 3}, {3, 1})).find("ends at byte 32, but only 31"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(8, {2, 3}, {4, 1})).find("ends at byte 36"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(0, {2}, {UINT64_MAX})).find("2^64"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(0, {3}, {UINT64_MAX / 2})).find("2^64"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(0, {2, 2}, {UINT64_MAX, UINT64_MAX})).find("2^64"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(UINT64_MAX, {1}, {1})).find("2^64"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(0, {UINT64_MAX, 2}, {0, 0})).find("64 bit"), std::string::npos);
  EXPECT_NE(refusal_of(32, floats(0, {UINT64_MAX / 2}, {0})).find("64 bits"), std::string::npos);
}

TEST(ByteRun, AFewBytesAreNotSpreadOverMany) {
  EXPECT_EQ(refusal_of(4, floats(0, {1 << 22}, {0})), "");
  EXPECT_NE(refusal_of(4, floats(0, {(1 << 22) + 1}, {0})).find("are spread over 16777220"), std::string::npos);
}

}  // namespace
}  // namespace quern
