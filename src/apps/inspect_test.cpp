// What inspect says of models right and wrong; figures of memory worked out by hand from the configurations.
#include "apps/inspect.h"

#include <fmt/core.h>

#include "apps/listed_pieces.h"
#include "checkpoint/edited_copy_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(std::span<const TensorEntry* const> tensors) {
  std::vector<std::string> names;
  for (const TensorEntry* tensor : tensors) names.push_back(tensor->name);
  return names;
}

Json json_of(const Inspection& inspection) {
  std::string text;
  write_json(inspection, -1, [&](std::string_view piece) { text += piece; });
  return parse_json(text);
}

std::string describe_all(const Inspection& inspection) {
  std::string text = describe(inspection);
  describe_tensors(inspection, [&](std::string_view line) { text += line; });
  return text;
}

MemoryEstimate memory_of(const fs::path& path, std::uint64_t context) {
  const Checkpoint checkpoint = open_checkpoint(path);
  return estimate_memory(CheckpointWeights(checkpoint), describe_model(checkpoint), context);
}

TEST(MemoryEstimate, OfAttentionGrowsWithTheContextUpToTheWindow) {
  const fs::path llama = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
  // 6 layers, keys and values, 4 heads of 32.
  EXPECT_EQ(memory_of(llama, 0).context, 1024u);
  EXPECT_EQ(memory_of(llama, 0).kv_f32, 2u * 6 * 4 * 32 * 1024 * 4);
  EXPECT_EQ(memory_of(llama, 100).kv_f16, 2u * 6 * 4 * 32 * 100 * 2);
  EXPECT_EQ(memory_of(llama, 0).stored, 13638144u);
  EXPECT_EQ(memory_of(llama, 0).weights_f32, 2 * 13638144u);
  EXPECT_EQ(memory_of(llama, 0).state_f32, 0u);
  // 2 layers, 2 heads of 16, a window of 24, which keeps 64 more.
  EXPECT_EQ(memory_of(tiny("tiny-mistral"), 10).kv_f32, 2u * 2 * 2 * 16 * 10 * 4);
  EXPECT_EQ(memory_of(tiny("tiny-mistral"), 100).kv_f32, 2u * 2 * 2 * 16 * (24 + 64) * 4);
  // Layer 0 sees all 256, layers 1 and 2 a window of 12.
  EXPECT_EQ(memory_of(tiny("tiny-qwen3"), 0).kv_f32, 2u * 2 * 16 * (256 + 2 * (12 + 64)) * 4);
}

TEST(MemoryEstimate, OfAStateDoesNotDependOnTheContext) {
  // 3 layers, 96 channels, kernel 3 (two past inputs), state 8.
  const MemoryEstimate a = memory_of(tiny("tiny-mamba"), 0), b = memory_of(tiny("tiny-mamba"), 5000);
  EXPECT_EQ(a.state_f32, 3u * (96 * 2 + 96 * 8) * 4);
  EXPECT_EQ(b.state_f32, a.state_f32);
  EXPECT_EQ(a.kv_f32, 0u);
  EXPECT_EQ(a.made_for, 0u);
}

TEST(Duplicates, AreTensorsOfEqualShapeAndBytes) {
  const ScratchFolder scratch;
  std::vector<float> values(5000, 1), other = values;
  other.back() = 2;  // behind the bytes that are looked at first
  RawModel model;
  model.tensors = {{"a", floats_tensor({5000}, values)},
                   {"b", floats_tensor({5000}, values)},
                   {"c", floats_tensor({5000}, other)},
                   {"d", floats_tensor({50, 100}, values)},
                   {"e", floats_tensor({3}, {1, 2, 3})}};
  write_raw(model, scratch.path());
  const Checkpoint checkpoint = open_checkpoint(scratch.path());
  const DuplicateTensors found = find_duplicates(checkpoint, 1 << 20);
  ASSERT_EQ(found.groups.size(), 1u);
  EXPECT_EQ(names_of(found.groups[0]), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(found.unread.empty());
  const DuplicateTensors bounded = find_duplicates(checkpoint, 100);
  EXPECT_TRUE(bounded.groups.empty());
  EXPECT_EQ(names_of(bounded.unread), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Inspect, ShowsEachExtentWithItsEvidence) {
  const Inspection inspection = inspect_checkpoint(tiny("tiny-qwen3"), {});
  ASSERT_TRUE(inspection.spec);
  EXPECT_FALSE(inspection.inferred);
  const std::string text = describe_all(inspection);
  expect_parts(text, {"architecture: qwen3, head tied to the embedding", "config.json hidden_size", "KV cache in f16",
                      "model.layers.0.self_attn.q_norm.weight"});
  const Json json = json_of(inspection);
  EXPECT_EQ(json.at("memory").at("kv_f32").as_uint64(), 104448u);
  EXPECT_FALSE(json.at("model").at("evidence").as_array().empty());
}

TEST(Inspect, RowsWithoutATokenAreCounted) {
  const ScratchFolder scratch;
  const fs::path model = scratch.copy(tiny("tiny-itera-lite"));
  EXPECT_FALSE(inspect_checkpoint(model, {}).unused_rows) << "without a tokenizer";
  scratch.write("tiny-itera-lite/tokenizer_other.json", R"({"vocab_size": 96, "token_to_id": {"<UNK>": 0, "a": 1}})");
  EXPECT_FALSE(inspect_checkpoint(model, {}).unused_rows) << "of another model";
  scratch.write("tiny-itera-lite/tokenizer_own.json",
                R"({"vocab_size": 120, "token_to_id": {"<UNK>": 0, "a": 1, "b": 2}})");
  const Inspection inspection = inspect_checkpoint(model, {});
  ASSERT_TRUE(inspection.unused_rows);
  EXPECT_EQ(inspection.unused_rows->rows, 117u);
  EXPECT_EQ(inspection.unused_rows->parameters, 117u * 24);
  std::uint64_t parameters = 0;
  for (const Weight& weight : inspection.spec->weights) parameters += weight.elements();
  EXPECT_EQ(inspection.unused_rows->of_parameters, parameters);
  expect_parts(describe(inspection), {"117 of 120 embedding rows (", "% of the parameters) have no token"});
  EXPECT_EQ(json_of(inspection).at("rows_without_token").at("of").as_uint64(), 120u);
}

TEST(Inspect, TensorsWithoutAPlaceAreNamed) {
  const ScratchFolder scratch;
  RawModel model = raw_model(tiny("tiny-mistral"));
  model.tensors["extra.weight"] = floats_tensor({2}, {1, 2});
  write_raw(model, scratch.path());
  const Inspection beside = inspect_checkpoint(scratch.path(), {});
  EXPECT_TRUE(beside.spec);
  EXPECT_EQ(unmatched_tensors(*beside.checkpoint), std::vector<std::string>{"extra.weight"});
  model.tensors["model.extra.weight"] = floats_tensor({2}, {1, 2});
  write_raw(model, scratch.path());
  const Inspection inspection = inspect_checkpoint(scratch.path(), {});
  EXPECT_FALSE(inspection.spec);
  EXPECT_NE(inspection.why_unknown.find("model.extra.weight"), std::string::npos) << inspection.why_unknown;
  EXPECT_EQ(unmatched_tensors(*inspection.checkpoint),
            (std::vector<std::string>{"extra.weight", "model.extra.weight"}));
}

TEST(Inspect, AListInPiecesHasEveryTensor) {
  const ScratchFolder scratch;
  RawModel model;
  const std::size_t count = kTensorsOfPiece + 3;
  for (std::size_t i = 0; i < count; ++i) model.tensors[fmt::format("part.{}.bias", i)] = floats_tensor({2}, {1, 2});
  write_raw(model, scratch.path());
  const Inspection inspection = inspect_checkpoint(scratch.path(), {});
  EXPECT_TRUE(inspection.is_list());
  EXPECT_EQ(inspection.by_role.at("vector").tensors, count);
  EXPECT_EQ(inspection.memory->weights_f32, count * 2 * sizeof(float));
  EXPECT_EQ(inspection.duplicates.groups.at(0).size(), count);
  const Json json = json_of(inspection);
  EXPECT_EQ(json.at("inferred").at("weights").as_array().size(), count);
  EXPECT_EQ(json.at("inferred").at("evidence").as_array().size(), count + 1);
  EXPECT_EQ(json.at("duplicates").at("groups").as_array().at(0).as_array().size(), count);
  EXPECT_EQ(json.at("unmatched").as_array().size(), count);
  expect_parts(describe(inspection), {"part.1000.bias = part.1001.bias", fmt::format("{} more", count - 20)});
}

TEST(Inspect, AWrongExtentStandsBesideTheRightOne) {
  const ScratchFolder scratch;
  RawModel model = raw_model(tiny("tiny-mistral"));
  model.config.set("hidden_size", 128);
  model.config.set("intermediate_size", 100);
  write_raw(model, scratch.path());
  const Inspection inspection = inspect_checkpoint(scratch.path(), {});
  EXPECT_FALSE(inspection.spec);
  ASSERT_TRUE(inspection.inferred);
  ASSERT_EQ(inspection.differences.size(), 2u);
  EXPECT_EQ(inspection.differences[0].extent, "hidden");
  EXPECT_EQ(inspection.differences[0].claimed, 128u);
  EXPECT_EQ(inspection.differences[0].shown, 64u);
  EXPECT_EQ(inspection.differences[0].claimed_by, "config.json hidden_size");
  EXPECT_EQ(inspection.differences[1].extent, "inner");
  EXPECT_EQ(inspection.differences[1].shown, 96u);
  expect_parts(describe(inspection),
               {"config.json says hidden_size 128", "by the tensors alone: llama", "contradiction",
                "model.embed_tokens.weight is [96, 64]", "the other commands refuse it"});
  EXPECT_TRUE(inspection.techniques.empty());
}

TEST(Inspect, ATokenizerThatIsTooLargeIsNoted) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.copy(fs::path(QUERN_TESTDATA) / "model" / "tiny-mixtral");
  scratch.write("tiny-mixtral/added_tokens.json", R"({"<more>": 400})");
  const char* said =
      "the tokenizer has 401 pieces, the embedding 400 rows: a text with one of the last pieces, from \"<more>\"";
  expect_parts(describe(inspect_checkpoint(folder, {})), {said});
  const OpenModel model(folder);
  const std::vector<std::string> notes =
      package_notes(find_format("safetensors"), model, SourceTokenizer(model.checkpoint));
  ASSERT_EQ(notes.size(), 1u);
  expect_parts(notes[0], {said});
}

TEST(Inspect, AFileWithoutTensorsIsCalledOne) {
  const ScratchFolder scratch;
  write_raw(RawModel(), scratch.path());
  const std::string text = describe(inspect_checkpoint(scratch.path(), {}));
  expect_parts(text, {"0 tensors", "it holds no tensors", "open the file with the weights"});
  EXPECT_EQ(text.find("architecture"), std::string::npos);
}

TEST(Inspect, ControlBytesInNamesAreEscaped) {
  const ScratchFolder scratch;
  RawModel model;
  model.tensors["a\x1b[31m.weight"] = floats_tensor({2}, {1, 2});
  write_raw(model, scratch.path());
  const std::string text = describe_all(inspect_checkpoint(scratch.path(), {}));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  expect_parts(text, {"a\\x1b[31m.weight", "tensors without a place in a known architecture"});
}

}  // namespace
}  // namespace quern
