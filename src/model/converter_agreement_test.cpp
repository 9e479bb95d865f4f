// Names, shapes and hyper-parameters of an export against llama.cpp's converter, and its files read back.
#include <map>
#include <set>

#include "format/formats.h"
#include "model/converted_fixture.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

// Keys that this layer leaves to its caller, or out: the names and labels that the converter makes up from the folder's
// name, the vocabulary, and what depends on the types of the tensors.
const std::set<std::string> kLeftOut = {"general.type",       "general.name",      "general.basename",
                                        "general.size_label", "general.file_type", "general.quantization_version"};

// Keys that we add: the converter writes them for "llama" only, a reader finds them in every file.
const std::set<std::string> kAdded = {"qwen3.vocab_size", "qwen3.rope.dimension_count"};

MetaValue value_of(const Json& key) {
  const std::string& type = key.at("type").as_string();
  const Json& value = key.at("value");
  if (type == "UINT32") return static_cast<std::uint32_t>(value.as_uint64());
  if (type == "FLOAT32") return static_cast<float>(value.as_double());
  if (type == "BOOL") return value.as_bool();
  if (type == "STRING") return value.as_string();
  throw std::runtime_error("a key of type " + type);
}

using ConvertedShapes = std::map<std::string, Shape>;

// GGUF writes the fastest axis first.
ConvertedShapes converted_shapes(const Json& conversion) {
  ConvertedShapes shapes;
  for (const Json& tensor : conversion.at("tensors").as_array()) {
    Shape& shape = shapes[tensor.as_array()[0].as_string()];
    for (const Json& extent : tensor.as_array()[1].as_array()) shape.insert(shape.begin(), extent.as_uint64());
  }
  return shapes;
}

void expect_conversion(const std::filesystem::path& folder, const Json& theirs) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap map = map_to_gguf(spec, checkpoint);
  ConvertedShapes ours;
  for (const ExportedWeight& weight : map.weights)
    EXPECT_TRUE(ours.emplace(weight.name, weight.output_shape(spec.weights[weight.weight])).second) << weight.name;
  for (const ExtraTensor& extra : map.extras) ours[extra.name] = {extra.values.size()};
  EXPECT_EQ(ours, converted_shapes(theirs));

  std::set<std::string> written;
  for (const Json& key : theirs.at("keys").as_array()) {
    const std::string& name = key.at("key").as_string();
    if (kLeftOut.contains(name) || name.starts_with("tokenizer.")) continue;
    written.insert(name);
    const MetaValue* value = map.metadata.find(name);
    ASSERT_NE(value, nullptr) << name;
    EXPECT_EQ(*value, value_of(key)) << name;
  }
  for (const auto& [key, value] : map.metadata.pairs())
    EXPECT_TRUE(written.contains(key) || kAdded.contains(key)) << key << " is ours alone";
}

class ConverterAgreement : public testing::TestWithParam<const char*> {};

TEST_P(ConverterAgreement, WritesTheSameNamesShapesAndKeys) {
  expect_conversion(converted_folder(GetParam()), conversion(GetParam(), "f32"));
}

TEST_P(ConverterAgreement, ItsFileIsTheSameModelAsTheFolder) {
  const Checkpoint folder = open_checkpoint(converted_folder(GetParam())),
                   file = open_checkpoint(converted_folder(GetParam()).string() + ".gguf");
  const ModelSpec of_folder = describe_model(folder), of_file = describe_model(file);
  EXPECT_EQ(of_file.architecture, of_folder.architecture);
  EXPECT_EQ(of_file.extents, of_folder.extents);
  EXPECT_EQ(of_file.tied_head, of_folder.tied_head);
  ASSERT_EQ(of_file.weights.size(), of_folder.weights.size());
  for (std::size_t i = 0; i < of_file.weights.size(); ++i) {
    const Weight &a = of_file.weights[i], &b = of_folder.weights[i];
    EXPECT_EQ(a.tensor, b.gguf);
    EXPECT_EQ(a.role, b.role) << a.tensor;
    EXPECT_EQ(a.group, b.group) << a.tensor;
    EXPECT_EQ(a.layer, b.layer) << a.tensor;
    EXPECT_EQ(a.elements(), b.elements()) << a.tensor;
    EXPECT_EQ(a.storage, Weight::Storage::kPlain) << a.tensor;
    EXPECT_TRUE(a.parts.empty()) << a.tensor;
  }
  ASSERT_EQ(of_file.blocks.size(), of_folder.blocks.size());
  for (std::size_t b = 0; b < of_file.blocks.size(); ++b) {
    ASSERT_EQ(of_file.blocks[b].ops.size(), of_folder.blocks[b].ops.size());
    for (std::size_t i = 0; i < of_file.blocks[b].ops.size(); ++i)
      EXPECT_EQ(of_file.blocks[b].ops[i].kind.index(), of_folder.blocks[b].ops[i].kind.index());
  }
}

TEST_P(ConverterAgreement, ItsFileIsExportedAsItIs) {
  const Checkpoint file = open_checkpoint(converted_folder(GetParam()).string() + ".gguf");
  const ModelSpec spec = describe_model(file);
  const ExportMap map = map_to_gguf(spec, file);
  EXPECT_EQ(map.weights.size(), file.tensors().size());
  for (const ExportedWeight& weight : map.weights) {
    EXPECT_EQ(weight.name, spec.weights[weight.weight].tensor);
    EXPECT_TRUE(weight.row_order.empty()) << weight.name;
    EXPECT_EQ(weight.transform, ExportedWeight::Transform::kNone) << weight.name;
    EXPECT_EQ(weight.output_shape(spec.weights[weight.weight]), file.at(weight.name).shape) << weight.name;
  }
  for (const auto& [key, value] : map.metadata.pairs()) EXPECT_EQ(*file.metadata().find(key), value) << key;
}

INSTANTIATE_TEST_SUITE_P(, ConverterAgreement, testing::ValuesIn(kConvertedModels));

class ReferenceConversions : public testing::TestWithParam<const char*> {};
TEST_P(ReferenceConversions, HaveTheSameNamesShapesAndKeys) {
  const std::string folder = std::string("reference/") + GetParam();
  QUERN_NEEDS_SHARED(folder);
  expect_conversion(shared_folder() / folder, conversion(GetParam(), "bf16"));
}
INSTANTIATE_TEST_SUITE_P(, ReferenceConversions, testing::Values("mamba-8m", "mixtral-moe15m"));

// Both spellings of a mixture become the same file.
TEST(ExpertSpellings, GiveTheSameTensors) {
  ConvertedShapes shapes[2];
  const char* names[] = {"tiny-mixtral", "tiny-mixtral-stacked"};
  for (std::size_t i = 0; i < 2; ++i) {
    const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(QUERN_TESTDATA) / "runtime" / names[i]);
    const ModelSpec spec = describe_model(checkpoint);
    for (const ExportedWeight& weight : map_to_gguf(spec, checkpoint).weights)
      shapes[i][weight.name] = weight.output_shape(spec.weights[weight.weight]);
  }
  EXPECT_EQ(shapes[0], shapes[1]);
  EXPECT_EQ(shapes[0].at("blk.0.ffn_gate_exps.weight"), (Shape{5, 40, 32}));
}

}  // namespace
}  // namespace quern
