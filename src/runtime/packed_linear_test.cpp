// Loading packed rows from tensors of every layout, and products of a run of rows.
#include "runtime/packed_linear.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "base/random.h"
#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

std::filesystem::path tiny_model(const std::string& name) {
  return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name;
}

Matrix decoded(const PackedTensor& packed) {
  Matrix out(packed.layout().rows, packed.layout().cols);
  for (std::size_t i = 0; i < out.rows(); ++i) decode_row(packed.codec(), packed.row(i), out.row(i));
  return out;
}

// Of a weight that is one piece.
PackedTensor only(std::vector<PackedTensor> pieces) {
  EXPECT_EQ(pieces.size(), 1u);
  return std::move(pieces.at(0));
}

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = static_cast<float>(random.uniform() - 0.5);
  return m;
}

const Weight& weight_named(const ModelSpec& spec, const std::string& tensor) {
  for (const Weight& weight : spec.weights)
    if (weight.tensor == tensor) return weight;
  throw std::runtime_error("no " + tensor);
}

struct Stored {
  std::string name;
  const char* codec;
  Matrix values;
};

// A checkpoint of these tensors, encoded, over a temporary file.
struct Files {
  std::optional<Checkpoint> checkpoint;
  std::optional<CheckpointWeights> weights;
  ModelSpec spec;
  ThreadPool pool{2};

  explicit Files(const std::vector<Stored>& tensors) {
    const auto path = std::filesystem::path(testing::TempDir()) /
                      (std::string("quern_packed_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    Checkpoint::Contents contents;
    contents.format = "test";
    contents.path = path;
    std::ofstream out(path, std::ios::binary);
    std::uint64_t offset = 0;
    for (const Stored& stored : tensors) {
      const Codec& codec = *find_codec(stored.codec);
      const PackedTensor packed = encode_tensor(codec, stored.values.view());
      TensorEntry entry{stored.name, {stored.values.rows(), stored.values.cols()}, codec.name, {}};
      for (std::size_t p = 0; p < codec.planes.size(); ++p) {
        const std::span<const std::byte> plane = packed.plane(p);
        out.write(reinterpret_cast<const char*>(plane.data()), static_cast<std::streamsize>(plane.size()));
        entry.parts.push_back({0, offset, plane.size()});
        offset += plane.size();
      }
      contents.tensors.push_back(std::move(entry));
    }
    contents.files.push_back({path, offset, SourceFile::Role::kWeights});
    out.close();
    checkpoint.emplace(std::move(contents));
    weights.emplace(*checkpoint);
  }

  WalkContext context() { return {spec, *weights, pool, Precision::kF32, WeightForm::kPacked}; }
};

Weight plain_weight(const std::string& tensor, std::uint64_t rows, std::uint64_t cols) {
  Weight weight;
  weight.role = "mlp.up";
  weight.tensor = tensor;
  weight.axes = {{"outputs", rows}, {"inputs", cols}};
  return weight;
}

TEST(LoadPacked, PlainTensorsKeepTheirBytes) {
  WalkedModel model(tiny_model("tiny-q8_0/model.gguf"));
  const Weight& weight = weight_named(model.spec, "blk.1.ffn_down.weight");
  const PackedTensor packed = only(load_packed(model.context(), weight));
  EXPECT_STREQ(packed.codec().name, "q8_0");
  EXPECT_EQ(packed.bytes(), 64u * 96 / 32 * 34);
  const TensorEntry& entry = model.checkpoint.at(weight.tensor);
  std::vector<std::byte> stored(entry.bytes());
  model.checkpoint.read(entry, 0, 0, stored);
  EXPECT_TRUE(std::ranges::equal(packed.plane(0), stored));
}

TEST(LoadPacked, TransposedFloatsAreExactAndKeepTheirWidth) {
  for (const char* codec : {"f32", "bf16", "f16"}) {
    const Matrix values = random_matrix(96, 40, 7);  // [inputs, outputs]
    Files files({{"w", codec, values}});
    Weight weight = plain_weight("w", 40, 96);
    weight.storage = Weight::Storage::kTransposed;
    const PackedTensor packed = only(load_packed(files.context(), weight));
    EXPECT_STREQ(packed.codec().name, codec);
    const Matrix rows = decoded(packed), stored = files.weights->read("w");
    ASSERT_EQ(rows.rows(), 40u);
    ASSERT_EQ(rows.cols(), 96u);
    for (std::size_t o = 0; o < 40; ++o)
      for (std::size_t i = 0; i < 96; ++i) ASSERT_EQ(rows.row(o)[i], stored.row(i)[o]) << codec << " " << o << " " << i;
  }
}

TEST(LoadPacked, TransposedBlocksBecomeFloats) {
  Files files({{"w", "q8_0", random_matrix(32, 64, 8)}});
  Weight weight = plain_weight("w", 64, 32);
  weight.storage = Weight::Storage::kTransposed;
  const PackedTensor packed = only(load_packed(files.context(), weight));
  EXPECT_STREQ(packed.codec().name, "f32");
  const Matrix rows = decoded(packed), stored = files.weights->read("w");
  for (std::size_t o = 0; o < 64; ++o)
    for (std::size_t i = 0; i < 32; ++i) ASSERT_EQ(rows.row(o)[i], stored.row(i)[o]);
}

TEST(LoadPacked, PartsFollowOneAnother) {
  WalkedModel model(tiny_model("tiny-mixtral"));
  const std::string experts = "model.layers.1.block_sparse_moe.experts.";
  const Weight& weight = weight_named(model.spec, experts + "*.w3.weight");
  const PackedTensor packed = only(load_packed(model.context(), weight));
  EXPECT_STREQ(packed.codec().name, "bf16");
  const Matrix rows = decoded(packed);
  ASSERT_EQ(rows.rows(), 5u * 40);
  for (std::size_t e = 0; e < 5; ++e) {
    const Matrix expert = model.stored.read(experts + std::to_string(e) + ".w3.weight");
    EXPECT_TRUE(std::ranges::equal(rows.flat().subspan(e * 40 * 32, 40 * 32), expert.flat())) << e;
  }
}

TEST(LoadPacked, PartsAreTheRowsThatTheyName) {
  for (const char* codec : {"f32", "q8_0", "int8_channel"}) {
    Files files({{"a", codec, random_matrix(6, 64, 9)}, {"b", codec, random_matrix(5, 64, 10)}});
    Weight weight = plain_weight("*", 5, 64);
    weight.parts = {{"b", 1, 3}, {"a", 4, 2}};
    const Matrix rows = decoded(only(load_packed(files.context(), weight)));
    const Matrix a = files.weights->read("a"), b = files.weights->read("b");
    EXPECT_TRUE(std::ranges::equal(rows.flat().first(3 * 64), b.flat().subspan(64, 3 * 64))) << codec;
    EXPECT_TRUE(std::ranges::equal(rows.flat().last(2 * 64), a.flat().last(2 * 64))) << codec;
  }
}

// Parts of two codecs, as a precision map or a raised expert leaves them: a, b, b, a.
Weight mixed_weight() {
  Weight weight = plain_weight("*", 12, 64);
  weight.parts = {{"a", 0, 2}, {"b", 3, 2}, {"b", 0, 4}, {"a", 2, 4}};
  return weight;
}

TEST(LoadPacked, EachChangeOfEncodingBeginsAPiece) {
  Files files({{"a", "bf16", random_matrix(6, 64, 11)}, {"b", "q8_0", random_matrix(5, 64, 12)}});
  const Weight weight = mixed_weight();
  const std::vector<PackedTensor> pieces = load_packed(files.context(), weight);
  ASSERT_EQ(pieces.size(), 3u);
  const Matrix expected = files.weights->read(weight);
  const std::pair<const char*, std::size_t> kExpected[] = {{"bf16", 2}, {"q8_0", 6}, {"bf16", 4}};
  std::size_t row = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_STREQ(pieces[i].codec().name, kExpected[i].first);
    const Matrix values = decoded(pieces[i]);
    ASSERT_EQ(values.rows(), kExpected[i].second);
    EXPECT_TRUE(std::ranges::equal(values.flat(), expected.flat().subspan(row * 64, values.flat().size()))) << i;
    row += values.rows();
  }
  EXPECT_EQ(packed_bytes(*files.weights, weight), 6u * 64 * 2 + 6u * 64 / 32 * 34);
}

TEST(LoadPacked, AReplacedWeightIsACopyOfWhatReplacesIt) {
  const Matrix values = random_matrix(40, 96, 15);
  PackedTensor replacement(*find_codec("q8_0"), {40, 96});
  for (std::size_t i = 0; i < 40; ++i) encode_row(replacement.codec(), values.row(i), {}, replacement.row(i));
  Files files({{"w", "f32", random_matrix(40, 96, 16)}, {"t", "f32", random_matrix(96, 40, 17)}});
  Weight transposed = plain_weight("t", 40, 96);
  transposed.storage = Weight::Storage::kTransposed;
  for (const Weight& weight : {plain_weight("w", 40, 96), transposed}) {
    ReplacedWeights weights(*files.weights);
    weights.replace(weight.tensor, replacement);
    const PackedTensor packed = only(load_packed({files.spec, weights, files.pool}, weight));
    EXPECT_STREQ(packed.codec().name, "q8_0");
    EXPECT_TRUE(std::ranges::equal(packed.plane(0), std::as_const(replacement).plane(0))) << weight.tensor;
    EXPECT_EQ(packed_bytes(weights, weight), replacement.bytes());
    EXPECT_STREQ(only(load_packed(files.context(), weight)).codec().name, "f32");
  }
}

// Every run of rows, also one that begins and ends inside pieces of different codecs.
TEST(PackedLinear, RowsOfSeveralEncodingsAreEachMultipliedAsTheirOwn) {
  Files files({{"a", "bf16", random_matrix(6, 64, 11)}, {"b", "q8_0", random_matrix(5, 64, 12)}});
  const Weight weight = mixed_weight();
  const PackedLinear linear(files.context(), weight);
  EXPECT_EQ(linear.rows(), 12u);
  EXPECT_EQ(linear.bytes(), packed_bytes(*files.weights, weight));
  const Matrix x = random_matrix(3, 64, 18), weights = files.weights->read(weight);
  for (std::size_t first = 0; first < 12; ++first)
    for (std::size_t count = 1; first + count <= 12; ++count) {
      Matrix y(3, count);
      linear.apply(x.view(), first, y.view());
      for (std::size_t t = 0; t < 3; ++t)
        for (std::size_t r = 0; r < count; ++r) {
          double sum = 0;
          for (std::size_t k = 0; k < 64; ++k) sum += double{x.row(t)[k]} * weights.row(first + r)[k];
          // Fused codecs round each activation to within 1/254 of the largest; neither side exceeds 0.5.
          ASSERT_NEAR(y.row(t)[r], sum, 64 * 0.5 * 0.5 / 254) << first << " " << count;
        }
    }
}

TEST(PackedLinear, MultipliesTheRowsAskedFor) {
  const Matrix weights = random_matrix(300, 64, 13), x = random_matrix(3, 64, 14);
  Files files({{"w", "f32", weights}});
  const PackedLinear linear(files.context(), plain_weight("w", 300, 64));
  EXPECT_EQ(linear.rows(), 300u);
  EXPECT_EQ(linear.bytes(), 300u * 64 * 4);
  Matrix y(3, 120);
  linear.apply(x.view(), 170, y.view());
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t r = 0; r < 120; ++r) {
      double sum = 0;
      for (std::size_t k = 0; k < 64; ++k) sum += double{x.row(t)[k]} * weights.row(170 + r)[k];
      ASSERT_NEAR(y.row(t)[r], sum, 1e-5) << t << " " << r;
    }
}

}  // namespace
}  // namespace quern
