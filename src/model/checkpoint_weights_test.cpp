// Decoding from a checkpoint, for every codec and every way of storing a matrix.
#include "model/checkpoint_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/bytes.h"
#include "codec/codec.h"
#include "format/formats.h"
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
    const std::size_t cols = codec->round_rows ? 48 : 512, rows = 1100;  // several reads
    if (!codec->divides(cols)) continue;
    const Matrix weights = numbered(rows, cols);
    const PackedTensor packed = encode_tensor(*codec, weights.view());
    Matrix expected(rows, cols);
    decode_rows(packed.codec(), packed.row(0), 0, expected.view());
    std::vector<std::vector<std::byte>> parts;
    for (std::size_t p = 0; p < codec->planes.size(); ++p)
      parts.emplace_back(packed.plane(p).begin(), packed.plane(p).end());
    const Checkpoint stored = checkpoint(codec->name, {rows, cols}, parts);
    const CheckpointWeights source(stored);
    EXPECT_TRUE(std::ranges::equal(source.read("t").flat(), expected.flat())) << codec->name;
    Matrix some(3, cols);
    source.read_rows("t", 1097, some.view());
    EXPECT_TRUE(std::ranges::equal(some.flat(), expected.flat().last(3 * cols))) << codec->name;
  }
}

TEST_F(OneTensor, EncodingWithoutCodecIsNamed) {
  for (const char* encoding : {"i64", "c64", "q8_1"}) {
    const Checkpoint stored = checkpoint(encoding, {2, 4}, {std::vector<std::byte>(64)});
    try {
      CheckpointWeights(stored).read("t");
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
  const CheckpointWeights source(stored);
  Matrix out(2, 4), narrow(2, 3);
  EXPECT_NO_THROW(source.read_rows("t", 0, out.view()));
  EXPECT_THROW(source.read_rows("t", 1, out.view()), Error);
  EXPECT_THROW(source.read_rows("t", 0, narrow.view()), Error);
  EXPECT_THROW(source.read("absent"), Error);
}

TEST_F(OneTensor, VectorIsOneRow) {
  const Checkpoint stored = checkpoint("f32", {8}, {std::vector<std::byte>(32)});
  EXPECT_EQ(CheckpointWeights(stored).layout("t").rows, 1u);
  EXPECT_EQ(CheckpointWeights(stored).read("t").cols(), 8u);
}

std::filesystem::path tiny_model(const char* name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

// Rows first .. first + count - 1 are those of the whole, for ranges that begin, end and cross parts anywhere.
void expect_any_range(const CheckpointWeights& source, const Weight& weight, const Matrix& whole) {
  const std::size_t rows = whole.rows(), step = rows / 7 + 1;
  for (std::size_t first = 0; first <= rows; first += step)
    for (std::size_t count : {std::size_t{0}, std::size_t{1}, step, rows - first}) {
      count = std::min(count, rows - first);
      Matrix some(count, whole.cols());
      source.read_rows(weight, first, some.view());
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_TRUE(std::ranges::equal(some.row(i), whole.row(first + i))) << weight.tensor << " row " << first + i;
    }
  Matrix beyond(1, whole.cols());
  EXPECT_THROW(source.read_rows(weight, rows, beyond.view()), Error);
}

TEST(WeightOfParts, IsItsTensorsOneAfterAnother) {
  const Checkpoint checkpoint = open_checkpoint(tiny_model("tiny-mixtral"));
  const ModelSpec spec = describe_model(checkpoint);
  const CheckpointWeights source(checkpoint);
  std::size_t seen = 0;
  for (const Weight& weight : spec.weights) {
    if (weight.parts.empty()) continue;
    ++seen;
    ASSERT_EQ(weight.parts.size(), 5u);
    const Matrix whole = source.read(weight);
    std::size_t row = 0;
    for (std::size_t e = 0; e < weight.parts.size(); ++e) {
      EXPECT_NE(weight.parts[e].tensor.find(".experts." + std::to_string(e) + "."), std::string::npos);
      const Matrix part = source.read(weight.parts[e].tensor);
      for (std::size_t i = 0; i < part.rows(); ++i, ++row)
        ASSERT_TRUE(std::ranges::equal(whole.row(row), part.row(i))) << weight.tensor << " row " << row;
    }
    EXPECT_EQ(row, whole.rows());
    expect_any_range(source, weight, whole);
  }
  EXPECT_EQ(seen, 9u);  // gate, up and down of three layers
}

TEST(WeightOfParts, IsTheTensorOfTheStackedSpelling) {
  const Checkpoint apart = open_checkpoint(tiny_model("tiny-mixtral")),
                   stacked = open_checkpoint(tiny_model("tiny-mixtral-stacked"));
  const ModelSpec of_apart = describe_model(apart), of_stacked = describe_model(stacked);
  const CheckpointWeights from_apart(apart), from_stacked(stacked);
  const auto find = [](const ModelSpec& spec, const char* role) -> const Weight& {
    return *std::ranges::find(spec.weights, std::string(role), &Weight::role);
  };
  EXPECT_TRUE(std::ranges::equal(from_apart.read(find(of_apart, "moe.down")).flat(),
                                 from_stacked.read(find(of_stacked, "moe.down")).flat()));
  const Matrix both = from_stacked.read(find(of_stacked, "moe.gate_up")),
               gate = from_apart.read(find(of_apart, "moe.gate")), up = from_apart.read(find(of_apart, "moe.up"));
  const std::size_t inner = of_apart.extent("inner");
  ASSERT_EQ(both.rows(), gate.rows() + up.rows());
  for (std::size_t i = 0; i < gate.rows(); ++i) {
    const std::size_t expert = i / inner, within = i % inner;
    EXPECT_TRUE(std::ranges::equal(gate.row(i), both.row(2 * expert * inner + within))) << i;
    EXPECT_TRUE(std::ranges::equal(up.row(i), both.row((2 * expert + 1) * inner + within))) << i;
  }
}

TEST(TransposedWeight, HasTheColumnsOfItsTensorAsRows) {
  const Checkpoint checkpoint = open_checkpoint(tiny_model("tiny-gpt2"));
  const ModelSpec spec = describe_model(checkpoint);
  const CheckpointWeights source(checkpoint);
  std::size_t seen = 0;
  for (const Weight& weight : spec.weights) {
    if (weight.storage != Weight::Storage::kTransposed) continue;
    ++seen;
    const Matrix whole = source.read(weight), stored = source.read(weight.tensor);
    ASSERT_EQ(whole.rows(), stored.cols());
    ASSERT_EQ(whole.cols(), stored.rows());
    for (std::size_t i = 0; i < whole.rows(); ++i)
      for (std::size_t k = 0; k < whole.cols(); ++k) ASSERT_EQ(whole.row(i)[k], stored.row(k)[i]) << weight.tensor;
    expect_any_range(source, weight, whole);
  }
  EXPECT_EQ(seen, 12u);  // four of each of three layers
}

// The stored rows of a weight are the tensor's own, and those that any source makes of its logical rows.
TEST(StoredRows, AreThoseOfTheTensorHoweverTheyAreMade) {
  for (const char* name : {"tiny-gpt2", "tiny-mamba", "tiny-mixtral"}) {
    const Checkpoint checkpoint = open_checkpoint(tiny_model(name));
    const CheckpointWeights source(checkpoint);
    for (const Weight& weight : describe_model(checkpoint).weights) {
      const StoredForm form = source.stored(weight);
      const RowLayout layout = row_layout(form.shape);
      Matrix own(layout.rows, layout.cols), made(layout.rows, layout.cols);
      source.read_stored_rows(weight, 0, own.view());
      source.Weights::read_stored_rows(weight, 0, made.view());
      EXPECT_TRUE(std::ranges::equal(own.flat(), made.flat())) << weight.tensor;
      if (weight.parts.empty()) {
        EXPECT_TRUE(std::ranges::equal(own.flat(), source.read(weight.tensor).flat())) << weight.tensor;
        EXPECT_EQ(form.shape, checkpoint.at(weight.tensor).shape);
        EXPECT_EQ(form.bytes, checkpoint.at(weight.tensor).bytes());
      }
      Matrix last(1, layout.cols);
      source.Weights::read_stored_rows(weight, layout.rows - 1, last.view());
      EXPECT_TRUE(std::ranges::equal(last.flat(), own.flat().last(layout.cols))) << weight.tensor;
    }
  }
}

// A vector of a model that nothing recognises is one logical row, whatever axes its tensor has.
TEST_F(OneTensor, AnUnknownTensorIsOneRowAndKeepsItsShape) {
  const Matrix values = numbered(6, 4);
  const auto bytes = std::as_bytes(values.flat());
  const Checkpoint stored = checkpoint("f32", {2, 3, 4}, {{bytes.begin(), bytes.end()}});
  const CheckpointWeights source(stored);
  Weight weight{.role = "vector", .tensor = "t"};
  weight.axes = {{"elements", 24}};
  EXPECT_EQ(row_layout(source.stored(weight).shape).rows, 6u);
  Matrix made(2, 4);
  source.Weights::read_stored_rows(weight, 3, made.view());
  EXPECT_TRUE(std::ranges::equal(made.flat(), values.flat().subspan(12, 8)));
}

}  // namespace
}  // namespace quern
