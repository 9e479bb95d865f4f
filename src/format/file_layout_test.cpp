// What lies where, and that an outline is what a writer writes.
#include "format/file_layout.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

CheckpointHead small_head() {
  CheckpointHead head;
  head.metadata.set("general.architecture", std::string("llama"));
  head.config = Json::object({{"model_type", "llama"}});
  head.companions = {{"vocab.txt", "a\nb\n"}};
  head.tensors = {{"b", {3}, "f32", {12}}, {"a", {2, 5}, "f16", {20}}};
  return head;
}

TEST(FileLayout, OutlinesAreWhatIsWritten) {
  for (const char* name : {"gguf", "safetensors", "bitsandbytes", "vptq-package"}) {
    const ScratchFolder scratch;
    const Format& format = find_format(name);
    format.create(scratch.path(), small_head());
    const std::vector<WrittenFile> files = written_files(format, small_head());
    EXPECT_EQ(files.size(), name == std::string("gguf") ? 1u : 3u);
    for (const WrittenFile& file : files) {
      const std::string text = read_text(scratch.path() / file.name);
      EXPECT_EQ(text, file.beginning + std::string(file.bytes - file.beginning.size(), '\0')) << file.name;
    }
  }
}

TEST(FileLayout, SaysWhereTensorsLie) {
  for (const char* name : {"gguf", "safetensors"}) {
    const ScratchFolder scratch;
    find_format(name).create(scratch.path(), small_head());
    const std::filesystem::path path = scratch.path() / ("model." + std::string(name));
    const Checkpoint checkpoint = open_checkpoint(path);
    const FileLayout layout = file_layout(path);
    ASSERT_EQ(layout.runs.size(), 2u);
    EXPECT_EQ(layout.header_bytes, layout.runs[0].offset);
    EXPECT_LT(layout.runs[0].offset, layout.runs[1].offset);
    for (const StoredRun& run : layout.runs) {
      EXPECT_EQ(run.offset, checkpoint.at(run.name).parts[0].offset);
      EXPECT_EQ(run.bytes, checkpoint.at(run.name).parts[0].bytes);
    }
    EXPECT_EQ(layout.ranges().size(), 3u);
  }
}

TEST(FileLayout, OfAnotherFileIsEmpty) {
  const ScratchFolder scratch;
  EXPECT_EQ(file_layout(scratch.write("config.json", "{}")).header_bytes, 0u);
}

}  // namespace
}  // namespace quern
