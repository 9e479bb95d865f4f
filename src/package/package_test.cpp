// Folders that compress writes: layout, manifest, what may be replaced, and fitting a model into memory.
#include "package/package.h"

#include <algorithm>
#include <set>

#include "base/fail.h"
#include "base/sha256.h"
#include "compress/tiny_package_fixture.h"
#include "encode/encode.h"
#include "format/formats.h"
#include "measure/evaluation_setup.h"
#include "package/whole_head_fixture.h"
#include "report/headline.h"
#include "runtime/walk_memory.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path llama_7m() { return fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m"; }

Json manifest_json(const fs::path& package) { return parse_json(read_text(package / kManifestName)); }

TEST(Package, HoldsTheModelItsEvidenceAndTheHashOfEveryFile) {
  const ScratchFolder scratch;
  const Report report = compress_tiny(tiny("tiny-llama-bias"), scratch.path() / "out");
  const Manifest manifest = read_manifest(scratch.path() / "out");
  std::uint64_t model = 0;
  std::set<std::string> listed{kManifestName}, there;
  for (const HashedFile& file : manifest.output_files) {
    listed.insert(file.name);
    EXPECT_EQ(file.sha256, sha256_of_file(scratch.path() / "out" / file.name)) << file.name;
    EXPECT_EQ(file.bytes, fs::file_size(scratch.path() / "out" / file.name)) << file.name;
    if (file.role == HashedFile::Role::kModel) model += file.bytes;
  }
  for (const auto& entry : fs::directory_iterator(scratch.path() / "out"))
    there.insert(entry.path().filename().string());
  EXPECT_EQ(there, listed);
  EXPECT_EQ(there, (std::set<std::string>{"README.md", "config.json", "golden.json", "manifest.json",
                                          "model.safetensors", "report.html", "report.json"}));
  EXPECT_EQ(report.output_bytes, model);
  EXPECT_EQ(manifest.model_bytes(), model);
  EXPECT_EQ(manifest.source_format, "safetensors");
  EXPECT_EQ(manifest.plan, report.ladder.back().plan);
  EXPECT_TRUE(report.accepted);
}

TEST(Package, SaysThatItsTokenizerCannotBeUsed) {
  const ScratchFolder scratch;
  const Report report = compress_tiny(tiny("tiny-llama-bias"), scratch.path() / "out");  // has none
  const auto told = [](const std::string& note) { return note.find("the tokenizer") == 0; };
  EXPECT_EQ(std::ranges::count_if(report.notes, told), 1);
}

TEST(Summary, CallsALargerFileLarger) {
  Report report;
  report.parameters = 100;
  report.source_bytes = 200;
  report.output_bytes = 250;
  const std::string text = summary(report);
  expect_parts(text, {"1.25x larger", "1.60x smaller"});
}

TEST(SizeRemark, GivesAReasonForEachKindOfTensor) {
  Report report;
  report.parameters = 100;
  report.source_bytes = report.output_bytes = 1000;
  Plan& plan = report.ladder.emplace_back().plan;
  for (int i = 0; i < 3; ++i)
    plan.steps.push_back({.codec = "bf16", .bytes = 200, .reason = "kernel of scheme simple", .parameters = 100});
  plan.steps.push_back({.codec = "f32", .bytes = 400, .reason = "a vector: small and sensitive", .parameters = 100});
  EXPECT_EQ(
      size_remark(report),
      "nothing was compressed (1.00x): 60% of the bytes of its weights are bf16 (kernel of scheme simple), 40% f32 "
      "(a vector: small and sensitive)");
  report.output_bytes = 500;
  EXPECT_EQ(size_remark(report), "");
}

TEST(Package, HasTheBytesThatThePlanPredicted) {
  const ScratchFolder scratch;
  const Report report = compress_tiny(tiny("tiny-llama-bias"), scratch.path() / "out");
  const Checkpoint written = open_checkpoint(scratch.path() / "out");
  for (const PlanStep& step : report.ladder.back().plan.steps)
    EXPECT_EQ(written.at(step.output).bytes(), step.bytes) << step.output;
}

TEST(Package, IsTheSameForAnyNumberOfThreads) {
  const ScratchFolder scratch;
  CompressOptions options;
  options.input = tiny("tiny-mistral");
  Observer observer;
  std::string first;
  for (const unsigned threads : {1u, 2u, 4u}) {
    options.machine.threads = threads;
    options.output = scratch.path() / fmt::format("out{}", threads);
    compress(options, observer);
    const std::string hash = sha256_of_file(options.output / "model.safetensors");
    if (first.empty()) first = hash;
    EXPECT_EQ(hash, first);
  }
}

TEST(Encode, WritesThePredictedBytesAndEncodesNothingTwice) {
  const ScratchFolder scratch;
  const OpenModel source(llama_7m());
  const Format& gguf = find_format("gguf");
  const ExportMap names = export_map(source, gguf);
  ThreadPool pool(2);
  Observer observer;
  const Inputs none;
  const EncodeInput input{source.weights, source.spec, names, none, pool, observer};
  const Scheme& scheme = find_scheme("q8_0");
  Plan plan = make_plan({scheme, gguf, source.spec, names, source.weights, {}});
  Journal journal(scratch.path() / "journal");
  StepRecords records(journal, {});
  const auto write = [&](const char* folder, StepRecords* known, std::span<const TensorFiles> earlier = {}) {
    fs::create_directory(scratch.path() / folder);
    return encode(input, plan, whole_head(plan, names, source, scheme), scratch.path() / folder, known, earlier);
  };
  write("first", &records);
  const Checkpoint first = open_checkpoint(scratch.path() / "first");
  for (const PlanStep& step : plan.steps) EXPECT_EQ(first.at(step.output).bytes(), step.bytes) << step.output;
  plan.steps[5].codec = "bf16";
  plan.steps[5].bytes = 2 * element_count(source.checkpoint.at(plan.steps[5].tensor).shape);
  const std::size_t recorded = journal.count(StepRecords::kPrefix);
  EXPECT_EQ(recorded, plan.steps.size());
  const TensorFiles files[] = {TensorFiles(first)};
  const std::vector<EncodedTensor> copied = write("copied", &records, files), fresh = write("fresh", nullptr);
  EXPECT_EQ(journal.count(StepRecords::kPrefix), recorded + 1);
  const auto weights = [&](const char* folder) {
    return open_checkpoint(scratch.path() / folder).files().front().path;
  };
  EXPECT_EQ(sha256_of_file(weights("copied")), sha256_of_file(weights("fresh")));
  for (std::size_t i = 0; i < fresh.size(); ++i) EXPECT_EQ(copied[i].error.plain, fresh[i].error.plain);
  EXPECT_EQ(fresh[5].error.plain, 0);

  // What is on record but not in the files any more is encoded again; all else is kept.
  fs::copy(scratch.path() / "fresh", scratch.path() / "damaged", fs::copy_options::recursive);
  const TensorPart part = open_checkpoint(scratch.path() / "damaged").at(plan.steps[7].output).parts[0];
  OutputFile(weights("damaged"), OutputFile::Content::kKeep).write_at(part.offset, std::vector<std::byte>(9));
  const std::string before = read_text(scratch.path() / "journal");
  const std::vector<EncodedTensor> kept = write("damaged", &records);
  EXPECT_EQ(sha256_of_file(weights("damaged")), sha256_of_file(weights("fresh")));
  for (std::size_t i = 0; i < fresh.size(); ++i) EXPECT_EQ(kept[i].error.weighted, fresh[i].error.weighted);
  const std::string added = read_text(scratch.path() / "journal").substr(before.size());
  EXPECT_EQ(std::ranges::count(added, '\n'), 1);
  EXPECT_NE(added.find(plan.steps[7].output + "\""), std::string::npos) << added;
}

TEST(PackageHead, OfGgufCarriesShapeVocabularyAndFileType) {
  const OpenModel source(llama_7m());
  const Format& gguf = find_format("gguf");
  const ExportMap names = export_map(source, gguf);
  const Plan plan = make_plan({find_scheme("q4_k_m"), gguf, source.spec, names, source.weights, {}});
  const CheckpointHead head = whole_head(plan, names, source, find_scheme("q4_k_m"));
  EXPECT_EQ(head.stem, "llama-7m-q4_k_m");
  EXPECT_EQ(head.metadata.integer("general.file_type"), 15);
  EXPECT_EQ(head.metadata.integer("general.quantization_version"), 2);
  EXPECT_EQ(head.metadata.text("general.architecture"), "llama");
  ASSERT_TRUE(head.metadata.array<std::string>("tokenizer.ggml.tokens"));
  EXPECT_EQ(head.metadata.array<std::string>("tokenizer.ggml.tokens")->size(), 8192u);
  EXPECT_EQ(head.tensors.size(), plan.steps.size() + names.extras.size());
}

TEST(ExportMap, IsAsItStandsWithinOneDialect) {
  const OpenModel folder(tiny("tiny-llama-bias"));
  const ExportMap same = export_map(folder, find_format("safetensors"));
  ASSERT_EQ(same.weights.size(), folder.spec.weights.size());
  for (std::size_t w = 0; w < same.weights.size(); ++w) {
    EXPECT_EQ(same.weights[w].name, folder.spec.weights[w].tensor);
    EXPECT_TRUE(same.weights[w].row_order.empty());
  }
}

TEST(ExportMap, OfAGgufFileHasTheNamesOfTransformers) {
  const OpenModel file(tiny("tiny-q8_0") / "model.gguf");
  for (const char* format : {"safetensors", "bitsandbytes"}) {
    const ExportMap map = export_map(file, find_format(format));
    EXPECT_EQ(map.weights.front().name, "model.embed_tokens.weight");
    EXPECT_EQ(map.config.at("model_type"), Json("llama"));
  }
}

TEST(PackageHead, OfAFolderMadeFromAFileNamesThePrecisionOfItsWeights) {
  const OpenModel file(tiny("tiny-q8_0") / "model.gguf");
  const Format& folder = find_format("safetensors");
  const ExportMap names = export_map(file, folder);
  for (const auto& [name, type] : {std::pair{"f32", "float32"}, {"bf16", "bfloat16"}}) {
    const Scheme& scheme = find_scheme(name);
    const Plan plan = make_plan({scheme, folder, file.spec, names, file.weights, {}});
    EXPECT_EQ(whole_head(plan, names, file, scheme).config.at("torch_dtype"), Json(type));
  }
}

TEST(ExportMap, RefusesAContainerThatIsOnlyRead) {
  Format only_read = find_format("safetensors");
  only_read.create = nullptr;
  const OpenModel folder(tiny("tiny-llama-bias"));
  expect_parts(message_of(ErrorCode::kUsage, [&] { export_map(folder, only_read); }),
               {"is read, but not written", "written are: safetensors, gguf, bitsandbytes, vptq-package"});
}

TEST(RejectedPath, StandsBesideTheOutput) {
  EXPECT_EQ(rejected_path("a/out/"), fs::path("a/out.rejected"));
  EXPECT_EQ(rejected_path("a/out"), fs::path("a/out.rejected"));
  EXPECT_EQ(rejected_path("a/out/."), fs::path("a/out.rejected"));
}

TEST(CheckOutput, ReplacesOnlyWhatQuernWrote) {
  const ScratchFolder scratch;
  const fs::path input = tiny("tiny-llama-bias"), out = scratch.path() / "out";
  const auto kReplace = OutputFolder::Existing::kReplace;
  check_output(out, input, kReplace);
  fs::create_directory(out);
  check_output(out, input, kReplace);
  scratch.write("out/letter.txt", "dear");
  const auto refused = [&] { return message_of(ErrorCode::kUsage, [&] { compress_tiny(input, out, kReplace); }); };
  expect_parts(refused(), {out.string(), "was not written by quern", "remove it by hand"});
  EXPECT_EQ(read_text(out / "letter.txt"), "dear");
  scratch.write("out/manifest.json", "{\"name\": \"a web app\"}");
  expect_parts(refused(), {"was not written by quern"});
  scratch.write("out/manifest.json", "not JSON");
  expect_parts(refused(), {"was not written by quern"});
  scratch.write("file", "x");
  EXPECT_NE(message_of(ErrorCode::kUsage, [&] { check_output(scratch.path() / "file", input, kReplace); }), "");
  fs::remove_all(out);
  compress_tiny(input, out);
  EXPECT_NE(message_of(ErrorCode::kUsage, [&] { compress_tiny(input, out); }), "");
  compress_tiny(input, out, kReplace);
  EXPECT_TRUE(fs::exists(out / kManifestName));
}

TEST(CheckOutput, RefusesTheInputAndFoldersAroundIt) {
  const ScratchFolder scratch;
  const fs::path input = scratch.copy(tiny("tiny-llama-bias"));
  const auto refused = [&](const fs::path& output) {
    return message_of(ErrorCode::kUsage, [&] { compress_tiny(input, output, OutputFolder::Existing::kReplace); });
  };
  expect_parts(refused(input), {"is the input model", input.string()});
  refused(input / "");
  refused(scratch.path());
  expect_parts(refused("/"), {"\"/\""});
  refused(input / ".." / input.filename());
  fs::create_directory_symlink(input, scratch.path() / "link");
  refused(scratch.path() / "link");
  EXPECT_TRUE(fs::exists(input / "model.safetensors"));
  check_output(input / "out", input, OutputFolder::Existing::kRefuse);  // inside is fine
  check_output(scratch.path() / "tiny", input, OutputFolder::Existing::kRefuse);
}

TEST(Manifest, ReadsBackWhatWasWritten) {
  const ScratchFolder scratch;
  Manifest m{.source_path = "models/a",
             .source_format = "gguf",
             .source_files = {},
             .output_files = {},
             .plan = {},
             .tensors = {}};
  m.source_files.push_back({"a.gguf", 7, "00ff", HashedFile::Role::kModel});
  m.output_files = {{"b.gguf", 5, "11", HashedFile::Role::kModel},
                    {"report.json", 9, "22", HashedFile::Role::kEvidence}};
  m.plan.steps.push_back({"a", "b", "q8_0", "rtn", 34, "why"});
  m.tensors.push_back({m.plan.steps[0], {1e-300, 0.1, 1.0 / 3, 7}});
  scratch.write(kManifestName, dump_json(to_json(m), 1));
  const Manifest back = read_manifest(scratch.path());
  EXPECT_EQ(to_json(back), to_json(m));
  EXPECT_EQ(back.seal, Manifest::Seal::kMissing);
  EXPECT_EQ(back.tensors[0].step, m.plan.steps[0]);
  EXPECT_EQ(back.tensors[0].error.plain, 1.0 / 3);
  EXPECT_EQ(back.model_bytes(), 5u);
}

TEST(Manifest, ThatIsMissingOrDamagedIsRefused) {
  const ScratchFolder scratch;
  compress_tiny(tiny("tiny-llama-bias"), scratch.path() / "out");
  const Json good = manifest_json(scratch.path() / "out");
  const auto refusal = [&](const std::string& text) {
    scratch.write("manifest.json", text);
    return message_of(ErrorCode::kVerification, [&] { read_manifest(scratch.path()); });
  };
  expect_parts(message_of(ErrorCode::kVerification, [&] { read_manifest(scratch.path()); }),
               {"is not a package", scratch.path().string()});
  expect_parts(refusal("{"), {"is not a package"});
  Json bad = good;
  bad.set("schema", 2);
  expect_parts(refusal(dump_json(bad)), {"schema 2 is not supported", "reads 1"});
  bad = good;
  bad.set("errors", Json::Array{});
  expect_parts(refusal(dump_json(bad)), {"0 errors for"});
  bad = good;
  bad.set("files", Json::Array{Json::object({{"name", "a"}, {"bytes", 1}, {"sha256", "0"}, {"role", "toy"}})});
  expect_parts(refusal(dump_json(bad)), {"role \"toy\""});
  bad = good;
  bad.set("plan", Json());
  expect_parts(refusal(dump_json(bad)), {"is not a package"});
}

TEST(HashFiles, IdentifiesASourceByNamesAndBytes) {
  const Checkpoint checkpoint = open_checkpoint(tiny("tiny-llama-bias"));
  ThreadPool pool(2);
  std::vector<HashedFile> files = hash_files(checkpoint, pool);
  ASSERT_EQ(files.size(), checkpoint.files().size());
  std::string lines;
  for (const HashedFile& f : files) lines += sha256_of_file(tiny("tiny-llama-bias") / f.name) + "  " + f.name + "\n";
  EXPECT_EQ(combined_hash(files), sha256_of(std::as_bytes(std::span(lines))));
  const std::string before = combined_hash(files);
  files[0].name += "x";
  EXPECT_NE(combined_hash(files), before);
}

TEST(EvaluationSetup, LeavesAQuarterOfTheRestForHiddenStatesAndSaysWhatIsMissing) {
  const OpenModel model(tiny("tiny-llama-bias"));
  const std::uint64_t block = largest_block_bytes(model.spec), window = window_bytes(model.spec, 512);
  EXPECT_GT(block, 4u * (2 * 64 * 64 + 3 * 64 * 96));
  EXPECT_GT(window, 4u * 512 * (3 * 96 + 2 * 64));
  const std::uint64_t reserved = reserved_bytes(model.spec, 3, 512);
  EXPECT_GE(reserved, block + 3 * window);
  MachineOptions machine{.threads = 3, .precision = Precision::kF32, .max_memory = reserved + 4000};
  const EvaluationSetup setup = evaluation_setup(machine, model.spec, 3, 512);
  EXPECT_EQ(setup.memory_limit, 1000u);
  EXPECT_EQ(setup.precision, Precision::kF32);
  machine.max_memory = reserved - 1;
  expect_parts(message_of(ErrorCode::kResource, [&] { evaluation_setup(machine, model.spec, 3, 512); }),
               {fmt::format("{} KB for one block", reserved / 1000), "each of 3 threads",
                fmt::format("more than the {} KB allowed", (reserved - 1) / 1000), "`machine.max_memory`"});
  machine.max_memory = 1000;
  expect_parts(message_of(ErrorCode::kResource, [&] { evaluation_setup(machine, model.spec, 3, 512); }),
               {"more than the 1000 bytes allowed"});
}

TEST(EvaluationSetup, RefusesProductsThatTheProcessorLacks) {
  if (best_precision() == Precision::kBf16) GTEST_SKIP() << "this processor multiplies bfloat16";
  const OpenModel model(tiny("tiny-llama-bias"));
  expect_parts(
      message_of(ErrorCode::kUsage, [&] { evaluation_setup({.precision = Precision::kBf16}, model.spec, 1, 512); }),
      {"no bfloat16 products", "`machine.precision` f32"});
}

TEST(CheckFiniteWeights, NamesTheTensorAndCounts) {
  const ScratchFolder scratch;
  const fs::path input = scratch.copy(tiny("tiny-llama-bias"));
  const Checkpoint checkpoint = open_checkpoint(input);
  const TensorEntry& entry = checkpoint.at("model.layers.1.mlp.up_proj.weight");
  std::string bytes = read_text(input / "model.safetensors");
  for (const std::size_t at : {0u, 40u, 41u}) {  // bf16
    bytes[entry.parts[0].offset + 2 * at] = at == 41 ? '\x80' : '\xc0';
    bytes[entry.parts[0].offset + 2 * at + 1] = '\x7f';
  }
  bytes[entry.parts[0].offset] = '\0', bytes[entry.parts[0].offset + 1] = '\x7f';  // large, and finite
  scratch.write("tiny-llama-bias/model.safetensors", bytes);
  expect_parts(message_of(ErrorCode::kInput, [&] { compress_tiny(input, scratch.path() / "out"); }),
               {"model.layers.1.mlp.up_proj.weight", "1 NaN and 1 infinite values among 6144"});
  EXPECT_FALSE(fs::exists(scratch.path() / "out"));
}

}  // namespace
}  // namespace quern
