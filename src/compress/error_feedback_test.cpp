// Error feedback from the text to the files, of a model whose matrices are stored as inputs by outputs.
#include <fmt/format.h>

#include "base/sha256.h"
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct TransposedModel : testing::Test {
  ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / "model" / "tiny-gpt2", scratch);
  const fs::path text = scratch.write("calibration.txt", small_text(40));

  Report compressed(const std::string& output, const char* scheme, unsigned threads) const {
    CompressOptions options;
    options.input = source;
    options.output = scratch.path() / output;
    options.calibration_text = text;
    options.scheme = scheme;
    options.optimizer = "ldlq";
    options.machine.threads = threads;
    options.machine.precision = Precision::kF32;
    Observer observer;
    return compress(options, observer);
  }
};

bool is_conv1d(const PlanStep& step) {
  return step.tensor.find(".c_") != std::string::npos && step.tensor.ends_with("weight");
}

TEST_F(TransposedModel, IsFedBackWhereItIsPackedAndTheSameForAnyNumberOfThreads) {
  std::vector<std::string> hashes;
  for (const unsigned threads : {1u, 2u, 4u}) {
    const std::string output = fmt::format("gguf-{}", threads);
    const Report report = compressed(output, "q4_k_m", threads);
    std::size_t fed_back = 0;
    for (const ReportedTensor& tensor : report.tensors) {
      if (!is_conv1d(tensor.step)) continue;
      EXPECT_EQ(tensor.step.optimizer, "ldlq") << tensor.step.output;
      EXPECT_GT(tensor.error.output, 0) << tensor.step.output;
      EXPECT_LT(tensor.error.output, tensor.error.output_energy) << tensor.step.output;
      ++fed_back;
    }
    EXPECT_EQ(fed_back, 8u);
    hashes.push_back(sha256_of_file(open_checkpoint(scratch.path() / output).files().front().path));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[0], hashes[2]);
}

// A folder of safetensors has them as inputs by outputs, and so in 16 bits, rounded.
TEST_F(TransposedModel, IsRoundedWhereItStaysTransposed) {
  const Report report = compressed("folder", "mixed-int4", 2);
  for (const ReportedTensor& tensor : report.tensors) {
    if (!is_conv1d(tensor.step)) continue;
    EXPECT_EQ(tensor.step.codec, "f16") << tensor.step.output;
    EXPECT_EQ(tensor.step.optimizer, "rtn") << tensor.step.output;
    EXPECT_EQ(tensor.error.plain, 0) << tensor.step.output;
  }
}

}  // namespace
}  // namespace quern
