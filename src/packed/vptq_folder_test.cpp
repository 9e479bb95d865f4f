// Folders of the vptq package that Quern writes: read back as planes, and as the package decodes them
// (tools/make_packed_fixtures.py vptq_written).
#include "packed/vptq_folder.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/random.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "codec/packed_tensor.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Written {
  const char* tensor;
  Shape shape;
  const char* codec;
  float importance = 1;  // of column 3 and of the last, over that of the others
};
// With indices that end within a word and with words, with a filled up stripe and with whole ones, with outliers whose
// last half is filled up.
const Written kMatrices[] = {{"model.layers.0.self_attn.q_proj.weight", {7, 33}, "vptq_v2_k16"},
                             {"model.layers.0.self_attn.k_proj.weight", {8, 24}, "vptq_v4_k256_r256"},
                             {"model.layers.0.mlp.up_proj.weight", {10, 21}, "vptq_v3_k64"},
                             {"model.layers.0.mlp.down_proj.weight", {7, 105}, "vptq_v4_k256_o256", 1.25f}};

PackedTensor packed(const Written& matrix) {
  Random random(matrix.shape[1]);
  Matrix weights(matrix.shape[0], matrix.shape[1]);
  for (float& value : weights.flat()) value = static_cast<float>(0.02 * random.normal());
  std::vector<float> importance(matrix.shape[1], 1.0f);
  importance[3] = importance.back() = matrix.importance;
  return encode_tensor(*find_codec(matrix.codec), weights.view(), importance);
}

fs::path write(const fs::path& folder) {
  CheckpointHead head;
  head.config = Json::object({{"model_type", "toy"}, {"torch_dtype", "float32"}});
  for (const Written& matrix : kMatrices) {
    const PackedTensor tensor = packed(matrix);
    head.tensors.push_back(
        {matrix.tensor, matrix.shape, matrix.codec, {tensor.plane(0).size(), tensor.plane(1).size()}});
  }
  head.tensors.push_back({"model.layers.0.self_attn.q_proj.bias", {7}, "f16", {14}});
  const auto writer = find_format("vptq-package").create(folder, head);
  for (std::size_t t = 0; t < std::size(kMatrices); ++t) {
    const PackedTensor tensor = packed(kMatrices[t]);
    for (const std::size_t p : {t % 2, 1 - t % 2}) writer->write(t, p, 0, tensor.plane(p));  // in any order
  }
  writer->write(std::size(kMatrices), 0, 0, ramp(14, 1));
  writer->finish();
  return folder;
}

// Where a tensor begins in a safetensors file.
std::size_t begin_of(std::string_view tensor, const std::string& file) {
  const auto header = static_cast<std::size_t>(load<std::uint64_t>(reinterpret_cast<const std::byte*>(file.data())));
  const Json table = parse_json(std::string_view(file).substr(8, header));
  return 8 + header + table.at(tensor).at("data_offsets").as_array()[0].as_uint64();
}

fs::path stored() { return fs::path(QUERN_TESTDATA) / "packed" / "vptq_written"; }

TEST(VptqFolder, IsTheOneThatThePackageOpened) {
  const ScratchFolder folder;
  write(folder.path());
  keep_written(folder.path(), "vptq_written");
  for (const char* file : {"model.safetensors", "config.json"})
    EXPECT_EQ(text_of_file(folder.path() / file), text_of_file(stored() / file)) << file;
}

TEST(VptqFolder, HasThePlanesThatWereWritten) {
  const ScratchFolder folder;
  const Checkpoint checkpoint = open_checkpoint(write(folder.path()));
  EXPECT_EQ(checkpoint.tensors().size(), std::size(kMatrices) + 1);
  for (const Written& matrix : kMatrices) {
    const TensorEntry& entry = checkpoint.at(matrix.tensor);
    EXPECT_EQ(entry.encoding, matrix.codec);
    EXPECT_EQ(entry.shape, matrix.shape);
    const PackedTensor tensor = packed(matrix);
    for (std::size_t p = 0; p < 2; ++p)
      EXPECT_TRUE(std::ranges::equal(read_part(checkpoint, matrix.tensor, p), tensor.plane(p))) << matrix.codec << p;
  }
}

TEST(VptqFolder, DecodesAsItsPackageDoes) {
  const Checkpoint expected = open_checkpoint(stored() / "expected.safetensors");
  for (const Written& matrix : kMatrices) {
    const PackedTensor tensor = packed(matrix);
    Matrix values(matrix.shape[0], matrix.shape[1]);
    decode_rows(tensor.codec(), tensor.row(0), 0, values.view());
    EXPECT_EQ(read_as<float>(expected, matrix.tensor), std::vector<float>(values.flat().begin(), values.flat().end()))
        << matrix.codec;
  }
}

TEST(VptqFolder, AnyRunOfItsPlanesCanBeRead) {
  const ScratchFolder folder;
  const Checkpoint checkpoint = open_checkpoint(write(folder.path()));
  for (const Written& matrix : kMatrices)
    for (std::size_t p = 0; p < 2; ++p) {
      const TensorEntry& entry = checkpoint.at(matrix.tensor);
      const std::vector<std::byte> whole = read_part(checkpoint, matrix.tensor, p);
      for (std::size_t first = 0; first < whole.size(); first = first * 3 / 2 + 5) {
        std::vector<std::byte> run(std::min<std::size_t>(23, whole.size() - first));
        checkpoint.read(entry, p, first, run);
        ASSERT_TRUE(std::equal(run.begin(), run.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
      }
    }
}

// A third of a centroid is no binary16 number under a power of two.
TEST(VptqFolder, OtherCentroidsAreDecodedWhileTheyAreRead) {
  const ScratchFolder scratch;
  const fs::path folder = write(scratch.path());
  std::string bytes = text_of_file(folder / "model.safetensors");
  store(reinterpret_cast<std::byte*>(&bytes[begin_of("model.layers.0.mlp.up_proj.centroids.weight", bytes)]), 1.0f / 3);
  OutputFile(folder / "model.safetensors").write(bytes);
  EXPECT_EQ(open_checkpoint(folder).at("model.layers.0.mlp.up_proj.weight").encoding, "f32");
}

TEST(VptqFolder, ItsTableIsThatOfTheCodecs) {
  for (const VectorEncoding& encoding : vector_encodings()) {
    const Codec* codec = find_codec(encoding.name);
    ASSERT_NE(codec, nullptr) << encoding.name;
    EXPECT_EQ(codec->stripe, encoding.length);
    EXPECT_EQ(codec->planes[0].bits_per_weight, encoding.bits());
    EXPECT_EQ(codec->plane_row_bytes(0, 133), encoding.row_bytes(133));
    EXPECT_EQ(codec->stored_bytes(0, 133), encoding.side_bytes(133));
    EXPECT_EQ(find_vector_encoding(encoding.length, encoding.centroids, encoding.residuals, encoding.of_outliers),
              &encoding);
  }
}

// An index of outliers has 16 bits there.
TEST(VptqFolder, AnIndexOutsideTheCentroidsOfOutliersIsDamage) {
  const ScratchFolder scratch;
  const fs::path folder = write(scratch.path());
  std::string bytes = text_of_file(folder / "model.safetensors");
  bytes[begin_of("model.layers.0.mlp.down_proj.outlier_indices", bytes) + 1] = 1;
  OutputFile(folder / "model.safetensors").write(bytes);
  EXPECT_THROW(read_part(open_checkpoint(folder), "model.layers.0.mlp.down_proj.weight", 0), Error);
}

TEST(VptqFolder, OutliersInAnotherOrderAreDecodedWhileTheyAreRead) {
  const ScratchFolder scratch;
  const fs::path folder = write(scratch.path());
  std::string bytes = text_of_file(folder / "model.safetensors");
  char* first = &bytes[begin_of("model.layers.0.mlp.down_proj.perm", bytes)];
  std::swap_ranges(first, first + 2, first + 2);
  OutputFile(folder / "model.safetensors").write(bytes);
  EXPECT_EQ(open_checkpoint(folder).at("model.layers.0.mlp.down_proj.weight").encoding, "f32");
}

TEST(VptqFolder, RowsThatFillHalfOfTheLastVectorsOfOutliersAreRefused) {
  const VectorEncoding& encoding = *find_vector_encoding("vptq_v4_k256_o256");
  const auto lay_out = [&](std::uint64_t rows, std::uint64_t cols) {
    return lay_out_vptq_weight({"mlp.up_proj.weight", {rows, cols}, "vptq_v4_k256_o256", {}}, encoding);
  };
  EXPECT_THROW(lay_out(6, 200), Error);
  EXPECT_THROW(lay_out(8, 1), Error);
  EXPECT_THROW(lay_out(8, 65537), Error);
  EXPECT_NO_THROW(lay_out(7, 200));
  EXPECT_NO_THROW(lay_out(8, 65536));
}

TEST(VptqFolder, EmbeddingsAndOtherNamesAreRefused) {
  EXPECT_EQ(why_not_of_vectors("model.layers.0.mlp.up_proj.weight", 2), nullptr);
  EXPECT_NE(why_not_of_vectors("model.embed_tokens.weight", 2), nullptr);
  EXPECT_NE(why_not_of_vectors("experts.gate_up_proj", 3), nullptr);
}

}  // namespace
}  // namespace quern
