// A checkpoint that no architecture recognises: packed without data, and nothing claimed that was not checked.
#include "base/scalars.h"
#include "checkpoint/edited_copy_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "package/package.h"
#include "package/verify.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

RawModel classifier() {
  Random random(3);
  const auto drawn = [&](std::size_t count) {
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.below(2001)) / 1000 - 1);
    return values;
  };
  RawModel model;
  model.tensors = {{"fc.weight", floats_tensor({40, 64}, drawn(40 * 64))},
                   {"fc.bias", floats_tensor({40}, drawn(40))},
                   {"conv.weight", floats_tensor({8, 4, 3, 3}, drawn(8 * 4 * 9))},
                   {"scale", floats_tensor({}, {0.5f})}};
  model.tensors["bn.num_batches_tracked"] = {{1}, "i64", std::vector<std::byte>(8, std::byte{7})};
  return model;
}

struct UnknownModel : ::testing::Test {
  ScratchFolder scratch;
  fs::path source = scratch.path() / "source", out = scratch.path() / "out";
};

TEST_F(UnknownModel, ItsMatricesArePackedAndTheRestGoesAlong) {
  write_raw(classifier(), source);
  const Report report = compress_tiny(source, out);
  EXPECT_FALSE(report.can_run);
  EXPECT_EQ(report.architecture, "unknown");
  const Checkpoint before = open_checkpoint(source), after = open_checkpoint(out);
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  EXPECT_EQ(after.at("fc.weight").encoding, "int8_channel");
  for (const char* name : {"fc.bias", "scale", "bn.num_batches_tracked"}) {
    EXPECT_EQ(after.at(name).shape, before.at(name).shape) << name;
    EXPECT_EQ(after.at(name).encoding, before.at(name).encoding) << name;
    EXPECT_EQ(read_part(after, name), read_part(before, name)) << name;
  }
  EXPECT_EQ(after.at("conv.weight").encoding, "bf16");
  EXPECT_EQ(after.at("conv.weight").shape, before.at("conv.weight").shape);
  const Matrix kernel = CheckpointWeights(before).read("conv.weight"),
               rounded = CheckpointWeights(after).read("conv.weight");
  for (std::size_t i = 0; i < kernel.flat().size(); ++i)
    EXPECT_EQ(rounded.flat()[i], bf16_to_f32(f32_to_bf16(kernel.flat()[i]))) << i;
  const Matrix a = CheckpointWeights(before).read("fc.weight"), b = CheckpointWeights(after).read("fc.weight");
  for (std::size_t i = 0; i < a.flat().size(); ++i) EXPECT_NEAR(a.flat()[i], b.flat()[i], 0.012);
}

TEST_F(UnknownModel, IsNotCalledByASchemeOfWhichItHoldsNothing) {
  RawModel model = classifier();
  model.tensors["fc.weight"] = floats_tensor({40, 60}, std::vector<float>(40 * 60, 0.5f));
  write_raw(model, source);
  CompressOptions options;
  options.input = source;
  options.output = out;
  options.scheme = "nf4";  // blocks of 64
  options.larger = CompressOptions::Larger::kAllow;
  Observer observer;
  const Report report = compress(options, observer);
  EXPECT_EQ(report.contents, "mostly " + std::string(most_used_codec(report.ladder.back().plan)));
  EXPECT_NE(report.contents, "mostly nf4");
}

TEST_F(UnknownModel, FourBitWeightsOfBitsandbytesGoAlongNumberByNumber) {
  source = fixture("bitsandbytes");  // of which some have scales that were quantized again, around a mean
  compress_tiny(source, out);
  const Checkpoint before = open_checkpoint(source), after = open_checkpoint(out);
  for (const char* name : {"plain.weight", "nested.weight"}) {
    EXPECT_EQ(after.at(name).encoding, "nf4") << name;
    for (const std::size_t part : {0u, 1u})
      EXPECT_EQ(read_part(after, name, part), read_part(before, name, part)) << name << " " << part;
  }
  Observer observer;
  EXPECT_EQ(verify_package({.package = out, .machine = {.threads = 2}}, observer).problems, std::vector<std::string>{});
}

TEST_F(UnknownModel, ReportAndCardSayWhatCouldNotBeChecked) {
  write_raw(classifier(), source);
  const Report report = compress_tiny(source, out);
  ASSERT_FALSE(report.notes.empty());
  expect_parts(report.notes.front(), {"no architecture recognises the model", "1 matrices", "1 convolutions and narrow",
                                      "3 other tensors", "not checked", "any quality of the model"});
  expect_parts(read_text(out / kCardName),
               {"Quality could not be measured", "no architecture recognises the model", "# source: simple, ",
                "| copied as stored, no part of the model | 2 | 12 |"});
  EXPECT_FALSE(parse_json(read_text(out / kReportName)).at("can_run").as_bool());
  EXPECT_TRUE(parse_json(read_text(out / kReportName)).at("quality").is_null());
}

TEST_F(UnknownModel, MatricesThatAreNotPackedAreNotCalledVectors) {
  RawModel model = classifier();
  model.tensors["gru.weight_ih_l0"] = floats_tensor({96, 32}, std::vector<float>(96 * 32, 0.5f));
  write_raw(model, source);
  const Report report = compress_tiny(source, out);
  const auto gru = std::ranges::find_if(
      report.tensors, [](const ReportedTensor& tensor) { return tensor.step.tensor == "gru.weight_ih_l0"; });
  ASSERT_NE(gru, report.tensors.end());
  EXPECT_EQ(gru->facts.role, "other");
  EXPECT_EQ(gru->step.reason, "no matrix that a program finds packed");
  expect_parts(read_text(out / kHtmlName), {"vectors and other tensors that are not packed"});
}

TEST_F(UnknownModel, VerifyComparesItWithTheOriginal) {
  write_raw(classifier(), source);
  compress_tiny(source, out);
  Observer observer;
  const VerifyResult result =
      verify_package({.package = out, .original = source, .stride = 1, .machine = {.threads = 2}}, observer);
  EXPECT_EQ(result.problems, std::vector<std::string>{});
  EXPECT_EQ(result.compared, 3u);
}

TEST_F(UnknownModel, ABoundOrATextIsRefused) {
  write_raw(classifier(), source);
  CompressOptions options;
  options.input = source;
  options.output = out;
  Observer observer;
  options.bound.max_perplexity_increase = 0.03;
  expect_parts(message_of(ErrorCode::kInput, [&] { compress(options, observer); }),
               {"no architecture recognises", "`bound.max_perplexity_increase`"});
  options.bound = {};
  options.report_text = source / "text";
  expect_parts(message_of(ErrorCode::kInput, [&] { compress(options, observer); }), {"no text can be run through it"});
  EXPECT_FALSE(fs::exists(out));
  expect_parts(message_of(ErrorCode::kInput, [&] { OpenModel{source}; }), {"no known architecture"});
}

TEST_F(UnknownModel, GgufNeedsAnArchitecture) {
  write_raw(classifier(), source);
  CompressOptions options;
  options.input = source;
  options.output = out;
  options.scheme = "q8_0";
  Observer observer;
  expect_parts(message_of(ErrorCode::kInput, [&] { compress(options, observer); }),
               {"names the architecture", "take `scheme` simple without `format`"});
  options.format = "safetensors";  // where the advice would otherwise be GGUF
  expect_parts(message_of(ErrorCode::kInput, [&] { compress(options, observer); }),
               {"safetensors cannot hold the scheme q8_0", "take `scheme` simple without `format`"});
}

TEST_F(UnknownModel, ARealClassifierHasSixteenBitsInItsConvolutions) {
  QUERN_NEEDS_SHARED("real/resnet-cifar10/resnet20-12fca82f.safetensors");
  source = shared_folder() / "real/resnet-cifar10/resnet20-12fca82f.safetensors";
  const Report report = compress_tiny(source, out);
  expect_parts(report.notes.front(), {"0 matrices"});  // its one product has 10 rows, all others are convolutions
  const Checkpoint before = open_checkpoint(source), after = open_checkpoint(out);
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  for (const TensorEntry& entry : before.tensors()) {
    const bool kernel = entry.shape.size() > 1;
    EXPECT_EQ(after.at(entry.name).encoding, kernel ? "bf16" : entry.encoding) << entry.name;
    if (!kernel) {
      EXPECT_EQ(read_part(after, entry.name), read_part(before, entry.name)) << entry.name;
    }
  }
  EXPECT_GT(report.source_bytes, 19 * report.output_bytes / 10);
}

}  // namespace
}  // namespace quern
