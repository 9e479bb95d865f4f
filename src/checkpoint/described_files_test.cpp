// Whichever file is wrong, its name is in the text.
#include "checkpoint/described_files.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

using Role = SourceFile::Role;

TEST(DescribedFiles, NameThoseOfTheRole) {
  const std::vector<SourceFile> files = {{"m/config.json", 1, Role::kConfig},
                                         {"m/generation_config.json", 1, Role::kConfig},
                                         {"m/model.safetensors", 1, Role::kWeights},
                                         {"m/vocab.json", 1, Role::kTokenizer},
                                         {"m/merges.txt", 1, Role::kTokenizer}};
  EXPECT_EQ(described_files("m", files, Role::kWeights), "m/model.safetensors");
  EXPECT_EQ(described_files("m", files, Role::kTokenizer), "m: vocab.json and merges.txt");
  EXPECT_EQ(described_model("m", files), "m: config.json and model.safetensors");
  EXPECT_EQ(described_files("m", {}, Role::kWeights), "m");
  EXPECT_EQ(described_model("m.gguf", {{"m.gguf", 1, Role::kWeights}}), "m.gguf");
}

TEST(DescribedFiles, CountTheShardsForWhichThereIsNoRoom) {
  std::vector<SourceFile> files;
  for (const char* name : {"m/1", "m/2", "m/3", "m/4", "m/5", "m/6"}) files.push_back({name, 1, Role::kWeights});
  EXPECT_EQ(described_files("m", files, Role::kWeights), "m: 1, 2, 3, 4 and 2 more");
  files.resize(4);
  EXPECT_EQ(described_files("m", files, Role::kWeights), "m: 1, 2, 3 and 4");
}

}  // namespace
}  // namespace quern
