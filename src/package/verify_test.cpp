// What verify notices when a package was tampered with, and what inspect says about files known and unknown.
#include "package/verify.h"

#include <algorithm>

#include "apps/inspect.h"
#include "base/sha256.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

class Verify : public ::testing::Test {
 protected:
  const ScratchFolder scratch;
  const fs::path model = scratch.copy(tiny("tiny-llama-bias"));
  const fs::path package = scratch.path() / "out", weights = package / "model.safetensors";

  void SetUp() override { compress_tiny(model, package); }

  VerifyResult check(const fs::path& original = {}, std::size_t stride = 1) const {
    Observer observer;
    return verify_package({package, original, {}, stride, {.threads = 2, .precision = {}, .max_memory = 0}}, observer);
  }
  // The one problem found.
  std::string problem(const fs::path& original = {}) const {
    const VerifyResult result = check(original);
    EXPECT_EQ(result.problems.size(), 1u);
    return result.problems.empty() ? "" : result.problems[0];
  }
  // Changes a member of the manifest in place, and makes its seal agree.
  template <typename Change>
  void edit_manifest(Change&& change) const {
    Json manifest = parse_json(read_text(package / kManifestName));
    change(manifest);
    scratch.write("out/manifest.json", dump_json(sealed(std::move(manifest)), 1) + "\n");
  }
  // Writes a file anew and makes the manifest agree.
  void replace(const std::string& name, const std::string& bytes) const {
    scratch.write("out/" + name, bytes);
    edit_manifest([&](Json& manifest) {
      Json files = manifest.at("files");
      for (Json& file : files.as_array())
        if (file.at("name").as_string() == name) {
          file.set("sha256", sha256_of_file(package / name));
          file.set("bytes", bytes.size());
        }
      manifest.set("files", files);
    });
  }
  void replace_weights(const std::string& bytes) const { replace("model.safetensors", bytes); }
  // One code of a tensor that was rounded without statistics.
  void change_a_code() const {
    std::string bytes = read_text(weights);
    bytes[open_checkpoint(package).at("model.layers.0.self_attn.k_proj.weight").parts[0].offset + 100] ^= 1;
    replace_weights(bytes);
  }
};

TEST_F(Verify, FindsNothingInAWholePackage) {
  const VerifyResult result = check();
  EXPECT_TRUE(result.problems.empty()) << result.problems[0];
  EXPECT_EQ(result.files, 6u);  // golden.json lies beside the weights
  EXPECT_EQ(result.compared, result.tensors);
  EXPECT_EQ(result.original, model.string());
  EXPECT_EQ(check({}, 5).compared, (result.tensors + 4) / 5);
  EXPECT_EQ(check({}, 5).problems, std::vector<std::string>{});
  EXPECT_NE(message_of(ErrorCode::kUsage, [&] { check({}, 0); }), "");
}

TEST_F(Verify, FindsChangedShortAndMissingFiles) {
  std::string card = read_text(package / kCardName);
  scratch.write("out/README.md", card + " ");
  expect_parts(problem(), {"README.md has", "the manifest says"});
  card[0] ^= 1;
  scratch.write("out/README.md", card);
  expect_parts(problem(), {"README.md has changed"});
  fs::remove(package / "README.md");
  expect_parts(problem(), {"README.md is missing"});
}

TEST_F(Verify, NamesEveryTensorThatChanged) {
  const Checkpoint checkpoint = open_checkpoint(package);
  std::string bytes = read_text(weights);
  bytes[checkpoint.at("model.layers.0.self_attn.k_proj.weight").parts[0].offset] ^= 1;
  bytes[checkpoint.at("lm_head.weight").parts[1].offset + 1] ^= 1;
  scratch.write("out/model.safetensors", bytes);
  fs::remove(package / "report.html");
  const VerifyResult result = check(tiny("tiny-llama-bias"));
  ASSERT_EQ(result.problems.size(), 2u);  // the damaged tensors are not compared as well
  expect_parts(result.problems[0], {"model.safetensors has changed: tensor", "layers.0.self_attn.k_proj.weight",
                                    "tensor lm_head.weight_scale", "sha256"});
  EXPECT_EQ(result.problems[0].find("q_proj"), std::string::npos);
  expect_parts(result.problems[1], {"report.html is missing"});
  EXPECT_EQ(result.compared, result.tensors - 2);
}

TEST_F(Verify, NamesTheHeaderAndTheBytesBetweenTensors) {
  const Checkpoint checkpoint = open_checkpoint(package);
  const std::string good = read_text(weights);
  std::string bytes = good;
  bytes[bytes.find("BF16")] = 'C';
  scratch.write("out/model.safetensors", bytes);
  expect_parts(check().problems.at(0), {"model.safetensors has changed: the header"});
  scratch.write("out/model.safetensors", good + std::string(3, 'x'));
  expect_parts(check().problems.at(0), {"bytes, the manifest says", "not as it was: the bytes behind tensor"});
  scratch.write("out/model.safetensors", good.substr(0, good.size() - 1));
  expect_parts(check().problems.at(0), {"bytes, the manifest says", "not as it was: tensor "});
}

TEST_F(Verify, FindsAnEditedManifest) {
  const std::string text = read_text(package / kManifestName);
  std::string edited = text;
  edited[edited.find("onednn") + 10] ^= 1;
  scratch.write("out/manifest.json", edited);
  expect_parts(problem(), {"manifest.json was edited"});
  edited = text;
  edited.replace(edited.find("manifest_sha256"), 8, "MANIFEST");
  scratch.write("out/manifest.json", edited);
  expect_parts(problem(), {"manifest.json has no manifest_sha256"});
  scratch.write("out/manifest.json", text + "\n");
  expect_parts(problem(), {"manifest.json was edited"});
}

TEST_F(Verify, FindsFieldsThatContradictOneAnother) {
  const std::string text = read_text(package / kManifestName);
  const auto say = [&](const char* member, Json value) {
    scratch.write("out/manifest.json", text);
    edit_manifest([&](Json& manifest) { manifest.set(member, std::move(value)); });
  };
  const Json whole = parse_json(text);
  say("quern", "0.0.9");
  expect_parts(problem(), {"version 0.0.9 made the package"});
  Json source = whole.at("source"), files = source.at("files");
  files.as_array()[0].set("sha256", std::string(64, 'a'));
  source.set("files", files);
  say("source", source);
  expect_parts(problem(), {"the hashes of the source's files come to"});
  for (const char* role : {"evidence", "companion"}) {
    files = whole.at("files");
    for (Json& file : files.as_array())
      if (file.at("name").as_string() == "config.json") file.set("role", role);
    say("files", files);
    expect_parts(problem(), {"gives config.json another role"});
  }
  source = whole.at("source");
  source.set("format", "gguf");
  say("source", source);
  expect_parts(problem(), {"the source was gguf, and it is safetensors"});
}

TEST_F(Verify, SaysWhichNameOfThePlanItDoesNotKnow) {
  const auto say = [&](const char* member, const char* value) {
    edit_manifest([&](Json& manifest) {
      Json plan = manifest.at("plan"), steps = plan.at("steps");
      steps.as_array()[1].set(member, value);
      plan.set("steps", steps);
      manifest.set("plan_sha256", plan_from_json(plan).sha256());
      manifest.set("plan", plan);
    });
    return check().problems;
  };
  const auto has = [](const std::vector<std::string>& problems, std::string_view part) {
    return std::ranges::any_of(problems, [&](const std::string& one) { return one.find(part) != std::string::npos; });
  };
  EXPECT_TRUE(has(say("codec", "q9_z"), "the number format \"q9_z\", which this version"));
  EXPECT_TRUE(has(say("optimizer", "luck"), "rounded by \"luck\""));
}

TEST_F(Verify, TakesNoManifestWithoutItsHash) {
  Json manifest = parse_json(read_text(package / kManifestName)), bare = Json::object();
  for (const Json::Member& member : manifest.as_object())
    if (member.first != "manifest_sha256") bare.set(member.first, member.second);
  scratch.write("out/manifest.json", dump_json(bare, 1));
  expect_parts(problem(), {"manifest.json has no manifest_sha256", "every version writes"});
}

TEST_F(Verify, FindsFilesThatChangeWhatIsOpened) {
  for (const char* folder : {"parts", ".git", "figures"}) fs::create_directory(package / folder);
  for (const char* name : {"other.safetensors", "model.safetensors.index.json", "tokenizer.json", "x.gguf",
                           "Chat_Template.jinja", "adapter_config.json", "parts/modeling_x.py"}) {
    scratch.write(std::string("out/") + name, "{}");
    expect_parts(problem(), {name, "is not listed by the manifest"});
    fs::remove(package / name);
  }
  fs::create_symlink("nowhere", package / "generation_config.json");
  expect_parts(check().problems.at(0), {"generation_config.json", "is not listed"});  // it cannot be opened either
  fs::remove(package / "generation_config.json");
  fs::create_directory_symlink(".", package / "more");
  expect_parts(problem(), {"more is a link to a folder"});
  fs::remove(package / "more");
  for (const char* name : {".gitattributes", ".git/config.json", "notes.txt", "LICENSE", "figures/loss.png"})
    scratch.write(std::string("out/") + name, "mine");
  EXPECT_EQ(check().problems, std::vector<std::string>{});
}

TEST_F(Verify, HoldsConfigurationAndTokenizerAgainstTheOriginal) {
  std::string config = read_text(package / "config.json");
  config[config.find("rms_norm_eps") + 15] ^= 1;
  replace("config.json", config);
  expect_parts(problem(), {"config.json is not what is made of the original", "from byte"});
}

TEST_F(Verify, HoldsWhatLayBesideToTheOriginalThatAPersonNames) {
  replace("golden.json", "{}");
  EXPECT_TRUE(check().problems.empty());  // it may have changed there since
  expect_parts(problem(model), {"golden.json is not the copy of what lies beside the original"});
  fs::remove(package / "golden.json");
  edit_manifest([](Json& manifest) {
    Json::Array files;
    for (const Json& file : manifest.at("files").as_array())
      if (file.at("name").as_string() != "golden.json") files.push_back(file);
    manifest.set("files", files);
  });
  expect_parts(problem(model), {"golden.json lies beside the original, and is not in the package"});
}

TEST_F(Verify, SaysWhatCouldNotBeProvenOfAnotherVersion) {
  std::string report = read_text(package / kReportName);
  const std::size_t at = report.find("\"quern\": \"");
  report.replace(at, report.find('\n', at) - at, "\"quern\": \"0.0.9\",");
  replace(std::string(kReportName), report);
  edit_manifest([](Json& manifest) { manifest.set("quern", "0.0.9"); });
  EXPECT_TRUE(check().problems.empty()) << check().problems[0];
  EXPECT_TRUE(check().unproven.empty());  // it wrote the same
  std::string config = read_text(package / "config.json");
  config[config.find("rms_norm_eps") + 15] ^= 1;
  replace("config.json", config);
  VerifyResult result = check();
  EXPECT_TRUE(result.problems.empty());
  ASSERT_EQ(result.unproven.size(), 1u);
  expect_parts(result.unproven[0], {"config.json is not what is made of the original"});
  change_a_code();
  result = check();
  ASSERT_EQ(result.unproven.size(), 2u);
  expect_parts(result.unproven[0], {"k_proj.weight", "differs from the original encoded again"});
  ASSERT_EQ(result.problems.size(), 1u);
  expect_parts(result.problems[0], {"k_proj.weight", "differs from the original by"});
}

TEST_F(Verify, MissesTheHashesOfTensors) {
  edit_manifest([](Json& manifest) { manifest.set("tensor_hashes", Json::Array()); });
  expect_parts(problem(), {"has no hashes of tensors"});
}

TEST_F(Verify, HasASentenceForAFile) {
  expect_parts(message_of(ErrorCode::kVerification,
                          [&] {
                            Observer observer;
                            verify_package({.package = weights}, observer);
                          }),
               {"model.safetensors is one file", "would lie in", "model.safetensors.report"});
}

TEST_F(Verify, FindsSwappedTensorsBehindRightHashes) {
  const Checkpoint checkpoint = open_checkpoint(package);
  const TensorEntry &a = checkpoint.at("model.layers.0.self_attn.k_proj.weight"),
                    &b = checkpoint.at("model.layers.1.self_attn.k_proj.weight");
  std::string bytes = read_text(weights);
  ASSERT_EQ(a.parts[0].bytes, b.parts[0].bytes);
  std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(a.parts[0].offset),
                   bytes.begin() + static_cast<std::ptrdiff_t>(a.parts[0].offset + a.parts[0].bytes),
                   bytes.begin() + static_cast<std::ptrdiff_t>(b.parts[0].offset));
  replace_weights(bytes);
  const VerifyResult result = check();
  ASSERT_EQ(result.problems.size(), 2u);
  expect_parts(result.problems[0],
               {"model.layers.0.self_attn.k_proj.weight", "differs from the original encoded again"});
  expect_parts(result.problems[1], {"model.layers.1.self_attn.k_proj.weight"});
}

TEST_F(Verify, FindsOneChangedCodeBehindRightHashes) {
  change_a_code();
  expect_parts(problem(), {"model.layers.0.self_attn.k_proj.weight", "differs from the original encoded again"});
}

TEST_F(Verify, FindsScalesThatAreNotFiniteBehindRightHashes) {
  const Checkpoint checkpoint = open_checkpoint(package);
  const TensorEntry& entry = checkpoint.at("lm_head.weight");
  std::string bytes = read_text(weights);
  const std::uint64_t scales = entry.parts.at(1).offset, row = entry.parts[1].bytes / entry.shape[0];
  bytes.replace(scales, row, std::string(row, '\xff'));
  replace_weights(bytes);
  expect_parts(problem(), {"lm_head.weight decodes to values that are not finite"});
}

TEST_F(Verify, FindsAPlanThatSaysAnotherEncoding) {
  const auto say_bf16 = [](Json& manifest) {
    Json plan = manifest.at("plan"), steps = plan.at("steps");
    const auto matrix = std::ranges::find_if(steps.as_array(),
                                             [](const Json& s) { return s.at("codec").as_string() == "int8_channel"; });
    matrix->set("codec", "bf16");
    plan.set("steps", steps);
    manifest.set("plan", plan);
  };
  edit_manifest(say_bf16);
  expect_parts(message_of(ErrorCode::kVerification, [&] { check(); }), {"the plan was edited"});
  edit_manifest([](Json& manifest) { manifest.set("plan_sha256", plan_from_json(manifest.at("plan")).sha256()); });
  const VerifyResult result = check();
  expect_parts(result.problems.at(0), {"the plan of the manifest is not the one that report.json describes"});
  expect_parts(result.problems.at(1), {"is int8_channel in", "the plan says bf16"});
}

TEST_F(Verify, SaysWhenTheOriginalIsAnother) {
  expect_parts(problem(tiny("tiny-mistral")), {"is not the checkpoint that this package was made from"});
  edit_manifest([](Json& manifest) {
    Json source = manifest.at("source");
    source.set("path", "/nowhere");
    manifest.set("source", source);
  });
  const VerifyResult result = check();
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(result.compared, 0u);
  EXPECT_EQ(result.original, "");
  EXPECT_EQ(check(tiny("tiny-llama-bias")).compared, result.tensors);
}

TEST_F(Verify, NeedsAManifest) {
  fs::remove(package / kManifestName);
  expect_parts(message_of(ErrorCode::kVerification, [&] { check(); }), {package.string(), "is not a package"});
}

TEST(Inspect, SumsAModelByEncodingAndRole) {
  const Inspection i = inspect_checkpoint(tiny("tiny-llama-bias"));
  ASSERT_TRUE(i.spec);
  EXPECT_EQ(i.format, "safetensors");
  EXPECT_EQ(i.by_role.at("attn.k").tensors, 2u);
  EXPECT_EQ(i.by_role.at("attn.k").elements, 2u * 32 * 64);
  EXPECT_EQ(i.by_role.at("embed").bytes, 2u * 96 * 64);
  std::uint64_t elements = 0;
  for (const auto& [role, sums] : i.by_role) elements += sums.elements;
  EXPECT_EQ(elements, i.total.elements);
  EXPECT_EQ(i.by_encoding.at("bf16").elements, i.total.elements);
  std::string text;
  write_json(i, -1, [&](std::string_view piece) { text += piece; });
  const Json json = parse_json(text);
  EXPECT_EQ(json.at("tensors").as_array().size(), i.tensors().size());
  EXPECT_EQ(json.at("model").at("architecture").as_string(), "llama");
  const std::string summary = describe(i);
  expect_parts(summary, {"architecture: llama", "mlp.down"});
  EXPECT_EQ(summary.find("lm_head.weight"), std::string::npos);
  std::string table;
  describe_tensors(i, [&](std::string_view line) { table += line; });
  expect_parts(table, {"lm_head.weight", "[96, 64]"});
}

TEST(Inspect, DescribesAModelOfNoKnownArchitectureByItsTensors) {
  const Inspection i = inspect_checkpoint(fs::path(QUERN_TESTDATA) / "format" / "all_types.gguf");
  EXPECT_FALSE(i.spec);
  EXPECT_FALSE(i.why_unknown.empty());
  EXPECT_GT(i.by_encoding.size(), 5u);
  EXPECT_EQ(i.by_role.size(), i.by_role.count("matrix") + i.by_role.count("vector") + i.by_role.count("other"));
  expect_parts(describe(i), {"architecture: not known", "q4_k"});
}

TEST(Inspect, RefusesWhatIsNoModel) {
  const ScratchFolder scratch;
  expect_parts(message_of(ErrorCode::kInput, [&] { inspect_checkpoint(scratch.write("notes.txt", "hello")); }),
               {"notes.txt"});
  expect_parts(message_of(ErrorCode::kInput, [&] { inspect_checkpoint(scratch.path() / "absent"); }), {"absent"});
}

}  // namespace
}  // namespace quern
