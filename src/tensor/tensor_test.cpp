// Shape arithmetic and the two matrix views.
#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include "quern/error.h"

namespace quern {
namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 40;

TEST(Shape, IsWrittenOutermostFirst) {
  EXPECT_EQ(to_string(Shape{8192, 256}), "[8192, 256]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(Shape, CountsElements) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({2, 3, 4}), 24u);
  EXPECT_EQ(element_count({2, 0, 4}), 0u);
  EXPECT_EQ(element_count({kHuge, 1 << 23}), std::uint64_t{1} << 63);
}

TEST(Shape, ACountBeyond64BitsNamesTheShape) {
  try {
    element_count({kHuge, kHuge});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("[1099511627776, 1099511627776]"), std::string::npos);
  }
}

TEST(RowLayout, FlattensAllButTheLastAxis) {
  const auto expect = [](const Shape& shape, std::uint64_t rows, std::uint64_t cols) {
    EXPECT_EQ(row_layout(shape).rows, rows) << to_string(shape);
    EXPECT_EQ(row_layout(shape).cols, cols) << to_string(shape);
  };
  expect({}, 1, 1);
  expect({7}, 1, 7);
  expect({3, 7}, 3, 7);
  expect({2, 3, 7}, 6, 7);
  expect({0, 7}, 0, 7);
  EXPECT_THROW(row_layout({kHuge, kHuge}), Error);
}

TEST(Matrix, RowsAreViewsOfOneBuffer) {
  Matrix matrix(2, 3);
  EXPECT_EQ(matrix.flat().size(), 6u);
  for (const float value : matrix.flat()) EXPECT_EQ(value, 0.0f);
  matrix.row(1)[2] = 5.0f;
  EXPECT_EQ(matrix.flat()[5], 5.0f);
  EXPECT_EQ(matrix.view().row(1)[2], 5.0f);
}

TEST(MatrixView, StrideSkipsWhatIsNotPartOfTheView) {
  const float data[] = {1, 2, 9, 3, 4, 9};
  const MatrixView view{data, 2, 2, 3};
  EXPECT_EQ(view.row(1)[0], 3.0f);
  EXPECT_EQ(view.row(1).size(), 2u);
}

TEST(MatrixView, AMutableViewConverts) {
  Matrix matrix(2, 2);
  const MutableMatrixView writable = matrix.view();
  writable.row(1)[1] = 4.0f;
  const MatrixView readable = writable;
  EXPECT_EQ(readable.row(1)[1], 4.0f);
}

}  // namespace
}  // namespace quern
