// Tensors cut from runs of bytes. That their elements come in order is tested with the files that have such tensors.
#include "checkpoint/byte_run.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "base/file.h"

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

// Gives the numbers 0, 1, 2 ... as 32 bits, and counts the bytes that were asked for.
class Counting final : public PartDecoder {
 public:
  std::uint64_t stored_bytes() const override { return 1; }
  void read(const File&, std::uint64_t offset, std::span<std::byte> out) const override {
    given += out.size();
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k] = static_cast<std::byte>((offset + k) / 4 >> (8 * ((offset + k) % 4)));
  }
  mutable std::uint64_t given = 0;
};

TEST(ByteRun, ATransposedRunThatIsReadForwardIsReadOnce) {
  constexpr std::uint64_t kRows = 1100, kCols = 1200, kBytes = kRows * kCols * 4;
  const auto counting = std::make_shared<Counting>();
  const ByteRun run{0, kBytes, counting, ByteRun::Access::kForward};
  const TensorPart part = strided_part(run, 0, floats(0, {kRows, kCols}, {1, kRows}));
  const File file(QUERN_TESTDATA "/format/npz/all.npz");
  std::vector<std::uint32_t> row(kCols);
  for (const std::uint64_t i : {0, 1, 555, 1099}) {
    read_part(file, part, i * kCols * 4, std::as_writable_bytes(std::span(row)));
    for (std::uint64_t k = 0; k < kCols; ++k) ASSERT_EQ(row[k], k * kRows + i);
  }
  EXPECT_EQ(counting->given, kBytes);
}

TEST(ByteRun, RowsOfAnotherOrderAreReadWhole) {
  const auto counting = std::make_shared<Counting>();
  const ByteRun run{0, 6 * 8 * 4, counting};
  const TensorPart part = strided_part(run, 0, floats(0, {3, 2, 8}, {8, 24, 1}));
  const File file(QUERN_TESTDATA "/format/npz/all.npz");
  for (std::uint64_t first = 0; first < 48; ++first) {
    std::vector<std::uint32_t> some(48 - first);
    read_part(file, part, first * 4, std::as_writable_bytes(std::span(some)));
    for (std::uint64_t k = first; k < 48; ++k) ASSERT_EQ(some[k - first], (k / 8 % 2 * 3 + k / 16) * 8 + k % 8);
  }
}

}  // namespace
}  // namespace quern
