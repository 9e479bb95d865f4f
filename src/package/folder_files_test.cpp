// What goes along of a model's folder, and what is named instead.
#include "package/folder_files.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/package_names.h"
#include "package/verify.h"

namespace quern {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

void put(const fs::path& path, const std::string& text = "text\n") {
  fs::create_directories(path.parent_path());
  OutputFile file(path);
  file.write(text);
  file.finish();
}

// tiny-llama-bias without the logits that lie beside it.
void fill_model(const fs::path& folder) {
  fs::create_directories(folder);
  for (const char* name : {"config.json", "model.safetensors"}) fs::copy(tiny("tiny-llama-bias") / name, folder);
}

// It as people publish models: licence, remote code, processors, another program's weights.
void fill_repository(const fs::path& folder) {
  fill_model(folder);
  for (const char* name :
       {"LICENSE", "README.md", "modeling_my.py", "preprocessor_config.json", "words.txt", "1_Pooling/config.json",
        "optimizer.pt", "tf_model.h5", "onnx/model.onnx", ".gitattributes", ".git/config", "tf.index.json",
        "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "report.json", "out.partial/journal"})
    put(folder / name);
}

Names names(const FolderFiles& files) {
  Names all;
  for (const CarriedFile& file : files.carried) all.push_back(file.name);
  return all;
}

Names left(const FolderFiles& files) {
  Names all;
  for (const LeftFile& file : files.left) all.push_back(file.name);
  return all;
}

TEST(FolderFiles, OfOneFileNameTheLicenceThatLiesBesideIt) {
  const ScratchFolder scratch;
  fs::copy(fs::path(QUERN_TESTDATA) / "format/all_values.gguf", scratch.path());
  for (const char* name : {"LICENSE", "NOTICE", "letter.txt"}) put(scratch.path() / name);
  const FolderFiles files =
      folder_files(open_checkpoint(scratch.path() / "all_values.gguf"), Format::Companions::kInside);
  EXPECT_EQ(names(files), Names{});
  EXPECT_EQ(left(files), (Names{"LICENSE", "NOTICE"}));
  expect_parts(left_notes(files).at(0), {"one file of its folder", "LICENSE, NOTICE"});
}

TEST(FolderFiles, PassOverWhatQuernWroteThere) {
  const ScratchFolder scratch;
  fill_model(scratch.path() / "m");
  put(scratch.path() / "m/x.gguf.report/manifest.json", "{\"quern\": \"0.1.0\"}");
  put(scratch.path() / "m/x.gguf.report/README.md");
  const FolderFiles files = folder_files(open_checkpoint(scratch.path() / "m"), Format::Companions::kBeside);
  EXPECT_EQ(names(files), Names{});
  EXPECT_EQ(left(files), Names{"x.gguf.report/"});
}

TEST(FolderFiles, TakeWhatIsSmallAndNameTheRest) {
  const ScratchFolder scratch;
  fill_repository(scratch.path() / "m");
  const FolderFiles files = folder_files(open_checkpoint(scratch.path() / "m"), Format::Companions::kBeside);
  EXPECT_EQ(names(files), (Names{"1_Pooling/config.json", "LICENSE", "README.original.md", "modeling_my.py",
                                 "preprocessor_config.json", "words.txt"}));
  EXPECT_EQ(left(files),
            (Names{"checkpoint-5/", "onnx/", "optimizer.pt", "report.json", "tf.index.json", "tf_model.h5"}));
  EXPECT_EQ(left_notes(files), (Names{"left behind (a folder with weights of its own): checkpoint-5/, onnx/",
                                      "left behind (an index of other weights): tf.index.json",
                                      "left behind (its name is that of a file that quern writes): report.json",
                                      "left behind (weights, or what may hold them): optimizer.pt, tf_model.h5"}));
}

TEST(FolderFiles, SayNothingOfAnOldQuantizationAndLoseNoSecondCard) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "m";
  fill_model(folder);
  for (const char* name : {"README.md", "README.original.md", "quantize_config.json", "hf_quant_config.json"})
    put(folder / name);
  const FolderFiles files = folder_files(open_checkpoint(folder), Format::Companions::kBeside);
  EXPECT_EQ(names(files), Names{"README.original.md"});
  const Names rest = left(files);
  EXPECT_EQ(rest.size(), 3u);
  EXPECT_EQ(std::ranges::count_if(rest, [](const std::string& name) { return name.starts_with("README"); }), 1);
}

TEST(FolderFiles, OfAContainerThatHasAllInsideAreWhatPeopleRead) {
  const ScratchFolder scratch;
  fill_repository(scratch.path() / "m");
  const FolderFiles files = folder_files(open_checkpoint(scratch.path() / "m"), Format::Companions::kInside);
  EXPECT_EQ(names(files), (Names{"LICENSE", "README.original.md"}));
  EXPECT_EQ(std::ranges::count(left(files), "modeling_my.py"), 1);
}

TEST(FolderFiles, AreThoseOfAFileWithItsConfigurationAndNoneOfALoneFiles) {
  const ScratchFolder scratch;
  fill_repository(scratch.path() / "m");
  const fs::path file = scratch.path() / "m" / "model.safetensors";
  EXPECT_EQ(names(folder_files(open_checkpoint(file), Format::Companions::kBeside)).size(), 6u);
  fs::remove(scratch.path() / "m" / "config.json");
  const FolderFiles none = folder_files(open_checkpoint(file), Format::Companions::kBeside);
  EXPECT_EQ(names(none), Names{});
  EXPECT_EQ(left(none), (Names{"LICENSE", "README.md"}));
}

TEST(FolderFiles, StayWithinTheirLimits) {
  const ScratchFolder scratch;
  fill_model(scratch.path() / "m");
  for (const char* name : {"a.py", "b.py", "c.py", "d/e/f.py"}) put(scratch.path() / "m" / name, "0123456789");
  put(scratch.path() / "m" / "large.txt", std::string(101, 'x'));
  const Checkpoint source = open_checkpoint(scratch.path() / "m");
  const auto with = [&](const FolderLimits& limits) {
    return folder_files(source, Format::Companions::kBeside, limits);
  };
  const FolderFiles by_size = with({.file_bytes = 100, .all_bytes = 25});
  EXPECT_EQ(names(by_size), (Names{"a.py", "b.py"}));
  EXPECT_EQ(left(by_size), (Names{"c.py", "d/e/f.py", "large.txt"}));
  EXPECT_EQ(names(with({.files = 1})), (Names{"a.py"}));
  EXPECT_EQ(left(with({.depth = 1})), (Names{"d/e/"}));
}

TEST(FolderFiles, FollowLinksOnlyWhereTheyStayInTheFolder) {
  const ScratchFolder scratch;
  fill_model(scratch.path() / "m");
  put(scratch.path() / "secret.txt");
  put(scratch.path() / "other" / "a.txt");
  put(scratch.path() / "m" / "own.txt");
  fs::create_symlink("own.txt", scratch.path() / "m" / "inside.txt");
  fs::create_symlink("../secret.txt", scratch.path() / "m" / "escape.txt");
  fs::create_symlink("nothing", scratch.path() / "m" / "broken.txt");
  fs::create_directory_symlink("../other", scratch.path() / "m" / "folder");
  const FolderFiles files = folder_files(open_checkpoint(scratch.path() / "m"), Format::Companions::kBeside);
  EXPECT_EQ(names(files), (Names{"inside.txt", "own.txt"}));
  EXPECT_EQ(left(files), (Names{"broken.txt", "escape.txt", "folder/"}));
}

TEST(FolderFiles, OfTheHubsCacheAreLinksIntoTheRepository) {
  const ScratchFolder scratch;
  const fs::path repository = scratch.path() / "models--acme--tiny", snapshot = repository / "snapshots" / "c18";
  fill_model(snapshot);
  put(repository / "blobs" / "1a2b");
  put(scratch.path() / "secret");
  fs::create_symlink("../../blobs/1a2b", snapshot / "LICENSE");
  fs::create_symlink("../../../secret", snapshot / "NOTICE");
  const FolderFiles files = folder_files(open_checkpoint(snapshot), Format::Companions::kBeside);
  EXPECT_EQ(names(files), (Names{"LICENSE"}));
  EXPECT_EQ(left(files), (Names{"NOTICE"}));
}

TEST(FolderFiles, LieInThePackageWithTheirHashesAndGoAlongOnceMore) {
  const ScratchFolder scratch;
  fill_repository(scratch.path() / "m");
  const Report report = compress_tiny(scratch.path() / "m", scratch.path() / "out");
  const Manifest manifest = read_manifest(scratch.path() / "out");
  Names companions;
  for (const HashedFile& file : manifest.output_files)
    if (file.role == HashedFile::Role::kCompanion) companions.push_back(file.name);
  EXPECT_EQ(companions.size(), 6u);
  EXPECT_EQ(read_text(scratch.path() / "out" / "1_Pooling" / "config.json"), "text\n");
  EXPECT_EQ(report.output_bytes, manifest.model_bytes());
  EXPECT_EQ(std::ranges::count_if(report.notes, [](const std::string& n) { return n.find("onnx/") != n.npos; }), 1);
  EXPECT_NE(read_text(scratch.path() / "out" / kCardName).find("modeling_my.py"), std::string::npos);
  Observer observer;
  EXPECT_EQ(verify_package({.package = scratch.path() / "out", .stride = 1}, observer).problems, Names{});
  const FolderFiles again = folder_files(open_checkpoint(scratch.path() / "out"), Format::Companions::kBeside);
  EXPECT_EQ(names(again), companions);
  EXPECT_EQ(left(again), Names{});
}

}  // namespace
}  // namespace quern
