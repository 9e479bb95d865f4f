// What inspect says that each scheme gives, against the sizes of real packages.
#include "apps/techniques.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "apps/inspect.h"
#include "apps/listed_pieces.h"
#include "checkpoint/edited_copy_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "model/architectures.h"
#include "plan/scheme.h"

namespace quern {
namespace {

const Technique& of_scheme(const std::vector<Technique>& all, std::string_view name) {
  return *std::ranges::find(all, name, &Technique::scheme);
}

TEST(Techniques, AreOneAScheme) {
  const OpenModel model(tiny("tiny-llama-bias"));
  const std::vector<Technique> all = techniques(model, SourceTokenizer(model.checkpoint));
  EXPECT_EQ(all.size(), schemes().size());
  const auto first_refused = std::ranges::find_if(all, [](const Technique& t) { return !t.why_not.empty(); });
  EXPECT_TRUE(std::is_sorted(all.begin(), first_refused,
                             [](const Technique& a, const Technique& b) { return a.bytes > b.bytes; }));
  EXPECT_TRUE(std::all_of(first_refused, all.end(), [](const Technique& t) { return !t.why_not.empty(); }));
  EXPECT_NE(of_scheme(all, "q4_0").why_not.find("no tokenizer"), std::string::npos) << "which a GGUF file holds";
}

// Header, configuration and tokenizer included, but for names of planes and padding, and though only one tensor of each
// kind is asked about.
TEST(Techniques, AreAsLargeAsThePackage) {
  const std::filesystem::path input = std::filesystem::path(QUERN_TESTDATA) / "model" / "tiny-mixtral";
  const OpenModel model(input);
  const std::vector<Technique> all = techniques(model, SourceTokenizer(model.checkpoint));
  for (const char* scheme : {"simple", "q8_0", "q4_k_m", "nf4"}) {
    const ScratchFolder scratch;
    CompressOptions options;
    options.input = input;
    options.output = scratch.path() / "out";
    options.scheme = scheme;
    Observer observer;
    const auto written = static_cast<double>(compress(options, observer).output_bytes);
    EXPECT_NEAR(static_cast<double>(of_scheme(all, scheme).bytes) / written, 1, 0.002) << scheme;
  }
}

// Such a model has no place in a GGUF file, which would name the architecture.
TEST(Techniques, OfNoKnownArchitectureSayWhy) {
  const OpenModel model(std::filesystem::path(QUERN_TESTDATA) / "format" / "sharded", Unrecognised::kList);
  const std::vector<Technique> all = techniques(model, SourceTokenizer(model.checkpoint));
  EXPECT_NE(of_scheme(all, "q4_k_m").why_not.find("architecture"), std::string::npos);
  EXPECT_EQ(of_scheme(all, "simple").why_not, "");
  const std::string table = techniques_table(all, 1000);
  EXPECT_NE(table.find("simple"), std::string::npos);
  EXPECT_NE(table.find("more: "), std::string::npos);
}

std::vector<std::pair<std::string, std::uint64_t>> sizes_of(const std::vector<Technique>& all) {
  std::vector<std::pair<std::string, std::uint64_t>> sizes;
  for (const Technique& t : all) sizes.emplace_back(t.scheme + " " + t.why_not, t.bytes);
  std::ranges::sort(sizes);
  return sizes;
}

TEST(Techniques, OfAListInPiecesAreThoseOfAllOfIt) {
  const ScratchFolder scratch;
  RawModel raw;
  for (std::size_t i = 0; i < 100; ++i) {
    raw.tensors[fmt::format("block.{}.weight", i)] = floats_tensor({32, 32}, std::vector<float>(32 * 32, 1));
    raw.tensors[fmt::format("block.{}.bias", i)] = floats_tensor({32}, std::vector<float>(32, 1));
  }
  for (const std::size_t more : {std::size_t{0}, kTensorsOfPiece}) {
    for (std::size_t i = 0; i < more; ++i)
      raw.tensors[fmt::format("table.{}", i)] = floats_tensor({300}, std::vector<float>(300, 1));
    write_raw(raw, scratch.path());
    const OpenModel model(scratch.path(), Unrecognised::kList);
    const SourceTokenizer tokenizer(model.checkpoint);
    const auto whole = sizes_of(techniques(model, tokenizer));
    const auto pieces =
        sizes_of(techniques_of_list(model.checkpoint, describe_or_outline(model.checkpoint), tokenizer));
    ASSERT_EQ(whole.size(), pieces.size());
    for (std::size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(whole[i].first, pieces[i].first);
      const auto all = static_cast<double>(whole[i].second);
      EXPECT_NEAR(static_cast<double>(pieces[i].second), all, more ? all * 0.005 : 0) << whole[i].first;
    }
  }
}

}  // namespace
}  // namespace quern
