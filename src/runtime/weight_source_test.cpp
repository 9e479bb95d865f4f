// Decoding from a checkpoint and from replaced tensors, for every codec.
#include "runtime/weight_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/bytes.h"
#include "quern/codec.h"
#include "quern/error.h"

namespace quern {
namespace {

// A checkpoint of one tensor over bytes written to a temporary file, one part a plane.
class OneTensor : public testing::Test {
 protected:
  Checkpoint checkpoint(const std::string& encoding, Shape shape, const std::vector<std::vector<std::byte>>& parts) {
    const auto path = std::filesystem::path(testing::TempDir()) /
                      (std::string("quern_ws_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::ofstream out(path, std::ios::binary);
    TensorEntry entry{"t", std::move(shape), encoding, {}};
    std::uint64_t offset = 0;
    for (const auto& part : parts) {
      out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
      entry.parts.push_back({0, offset, part.size()});
      offset += part.size();
    }
    out.close();
    Checkpoint::Contents contents;
    contents.format = "test";
    contents.path = path;
    contents.files.push_back({path, offset, SourceFile::Role::kWeights});
    contents.tensors.push_back(std::move(entry));
    return Checkpoint(std::move(contents));
  }
};

Matrix numbered(std::size_t rows, std::size_t cols) {
  Matrix m(rows, cols);
  for (std::size_t i = 0; i < m.flat().size(); ++i)
    m.flat()[i] = static_cast<float>(static_cast<int>(i * 37 % 256) - 128);
  return m;
}

TEST_F(OneTensor, EveryCodecReadsTheRowsThatItWrote) {
  for (const Codec* codec : codecs()) {
    const std::size_t cols = 512, rows = 1100;  // several reads
    if (!codec->divides(cols)) continue;
    const Matrix weights = numbered(rows, cols);
    PackedTensor packed(*codec, {rows, cols});
    Matrix expected(rows, cols);
    for (std::size_t i = 0; i < rows; ++i) {
      encode_row(*codec, weights.row(i), {}, packed.row(i));
      decode_row(*codec, std::as_const(packed).row(i), expected.row(i));
    }
    std::vector<std::vector<std::byte>> parts;
    for (std::size_t p = 0; p < codec->planes.size(); ++p)
      parts.emplace_back(std::as_const(packed).plane(p).begin(), std::as_const(packed).plane(p).end());
    const Checkpoint stored = checkpoint(codec->name, {rows, cols}, parts);
    WeightSource source(stored);
    EXPECT_TRUE(std::ranges::equal(source.read("t").flat(), expected.flat())) << codec->name;
    Matrix some(3, cols);
    source.read_rows("t", 1097, some.view());
    EXPECT_TRUE(std::ranges::equal(some.flat(), expected.flat().last(3 * cols))) << codec->name;
    source.replace("t", packed);
    source.read_rows("t", 1, some.view());
    EXPECT_TRUE(std::ranges::equal(some.flat(), expected.flat().subspan(cols, 3 * cols))) << codec->name;
  }
}

TEST_F(OneTensor, EncodingWithoutCodecIsNamed) {
  for (const char* encoding : {"i64", "f64", "iq2_xxs"}) {
    const Checkpoint stored = checkpoint(encoding, {2, 4}, {std::vector<std::byte>(64)});
    try {
      WeightSource(stored).read("t");
      ADD_FAILURE() << encoding;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(std::string("tensor t is stored as ") + encoding), std::string::npos)
          << error.what();
    }
  }
}

TEST_F(OneTensor, RowsOutsideAreRefused) {
  const Checkpoint stored = checkpoint("f32", {2, 4}, {std::vector<std::byte>(32)});
  const WeightSource source(stored);
  Matrix out(2, 4), narrow(2, 3);
  EXPECT_NO_THROW(source.read_rows("t", 0, out.view()));
  EXPECT_THROW(source.read_rows("t", 1, out.view()), Error);
  EXPECT_THROW(source.read_rows("t", 0, narrow.view()), Error);
  EXPECT_THROW(source.read("absent"), Error);
}

TEST_F(OneTensor, VectorIsOneRow) {
  const Checkpoint stored = checkpoint("f32", {8}, {std::vector<std::byte>(32)});
  EXPECT_EQ(WeightSource(stored).layout("t").rows, 1u);
  EXPECT_EQ(WeightSource(stored).read("t").cols(), 8u);
}

}  // namespace
}  // namespace quern
