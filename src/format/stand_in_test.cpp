// Pointers and pages in the place of a model, alone and in a folder.
#include "format/stand_in.h"

#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 13644224\n";

std::string refusal(const std::filesystem::path& path) {
  try {
    open_checkpoint(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  return "opened";
}

class StandIn : public testing::Test {
 protected:
  std::filesystem::path put(const char* name, std::string_view text) const {
    std::ofstream(folder_.path() / name, std::ios::binary) << text;
    return folder_.path() / name;
  }
  ScratchFolder folder_;
};

TEST_F(StandIn, IsNamedWithItsSize) {
  for (const char* name : {"model.safetensors", "model.gguf", "pytorch_model.bin", "model.pt"}) {
    const std::string message = refusal(put(name, kPointer));
    EXPECT_NE(message.find(std::string(name) + " is a pointer of Git LFS to 13644224 bytes"), std::string::npos)
        << message;
    EXPECT_NE(message.find("git lfs pull"), std::string::npos) << message;
  }
}

TEST_F(StandIn, IsFoundInAFolder) {
  put("config.json", "{}");
  put("model.safetensors", "\n <!DOCTYPE html><html><body>404</body></html>");
  const std::string message = refusal(folder_.path());
  EXPECT_NE(message.find("model.safetensors is an HTML page, not a model"), std::string::npos) << message;
}

TEST_F(StandIn, IsNotSeenInOtherFiles) {
  EXPECT_EQ(stand_in_for_weights(put("a.bin", "version 1 of something")), "");
  EXPECT_EQ(stand_in_for_weights(put("b.bin", "")), "");
  EXPECT_EQ(stand_in_for_weights(folder_.path() / "absent"), "");
  EXPECT_EQ(stand_in_for_weights(put("c.bin", "<html")).find("an HTML page") == std::string::npos, false);
}

}  // namespace
}  // namespace quern
