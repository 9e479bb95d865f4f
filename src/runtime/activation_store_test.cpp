// The same behaviour in memory and in a temporary file.
#include "runtime/activation_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "quern/error.h"

namespace quern {
namespace {

Matrix numbered(std::size_t rows, std::size_t cols, float first) {
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = first++;
  return m;
}

class StorePlaces : public testing::TestWithParam<std::uint64_t> {};

TEST_P(StorePlaces, GivesBackEachWindow) {
  ActivationStore store(5, 7, 3, GetParam());
  EXPECT_EQ(store.windows(), 5u);
  EXPECT_EQ(store.length(), 7u);
  EXPECT_EQ(store.width(), 3u);
  for (const std::size_t w : {4u, 0u, 2u, 1u, 3u}) store.save(w, numbered(7, 3, static_cast<float>(100 * w)).view());
  ActivationStore moved = std::move(store);
  for (std::size_t w = 0; w < 5; ++w) {
    Matrix out(7, 3);
    moved.load(w, out.view());
    EXPECT_TRUE(std::ranges::equal(out.flat(), numbered(7, 3, static_cast<float>(100 * w)).flat())) << w;
  }
}

TEST_P(StorePlaces, TakesViewsOfWiderMatrices) {
  ActivationStore store(2, 4, 3, GetParam());
  const Matrix wide = numbered(4, 10, 0);
  store.save(1, {wide.flat().data() + 2, 4, 3, 10});
  Matrix out(4, 10);
  store.load(1, {out.flat().data() + 2, 4, 3, 10});
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 10; ++j)
      EXPECT_EQ(out.row(i)[j], j >= 2 && j < 5 ? static_cast<float>(10 * i + j) : 0.0f);
}

TEST_P(StorePlaces, RefusesWrongExtents) {
  ActivationStore store(2, 4, 3, GetParam());
  EXPECT_THROW(store.save(2, Matrix(4, 3).view()), Error);
  EXPECT_THROW(store.save(0, Matrix(3, 4).view()), Error);
}

INSTANTIATE_TEST_SUITE_P(MemoryAndFile, StorePlaces, testing::Values(std::uint64_t{1} << 30, 0));

TEST(ActivationStore, LeavesNoFileBehind) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "quern_store_test";
  std::filesystem::create_directories(folder);
  setenv("TMPDIR", folder.c_str(), 1);
  {
    ActivationStore store(2, 4, 3, 2 * 4 * 3 * sizeof(float) - 1);
    store.save(1, numbered(4, 3, 1).view());
    EXPECT_TRUE(std::filesystem::is_empty(folder));
  }
  std::filesystem::remove_all(folder);
  try {
    ActivationStore store(2, 4, 3, 0);
    ADD_FAILURE() << "made a file in a folder that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
    EXPECT_NE(std::string(error.what()).find("TMPDIR"), std::string::npos) << error.what();
  }
  unsetenv("TMPDIR");
}

TEST(ActivationStore, ImpossibleSizesAreRefused) {
  EXPECT_THROW(ActivationStore(std::size_t{1} << 40, 1 << 20, 1 << 20, 0), Error);
}

}  // namespace
}  // namespace quern
