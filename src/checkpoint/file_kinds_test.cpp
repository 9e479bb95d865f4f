// The table of names of files: every row is reached, and says what to do.
#include "checkpoint/file_kinds.h"

#include <gtest/gtest.h>

#include <string>

namespace quern {
namespace {

TEST(FileKinds, EveryRowIsReachedByItsName) {
  for (const FileKind& kind : file_kinds()) {
    const std::string name = std::string(kind.prefix) + std::string(kind.suffix);
    EXPECT_EQ(kind_of_file("folder/" + name), &kind) << name;
    EXPECT_FALSE(kind.what.empty()) << name;
    EXPECT_EQ(kind.next.empty(), kind.holds == FileKind::Holds::kModel) << name;
  }
}

TEST(FileKinds, TellWeightsFromWhatLiesBesideThem) {
  for (const char* name : {"model.safetensors", "MODEL.GGUF", "a.b.pt", "pytorch_model.bin"})
    EXPECT_TRUE(is_named_as_model(name) && may_hold_weights(name)) << name;
  for (const char* name : {"model.onnx", "optimizer.pt", "m.tar.gz", "consolidated.00.pth", "model.ckpt.index"})
    EXPECT_TRUE(!is_named_as_model(name) && may_hold_weights(name)) << name;
  for (const char* name : {"config.json", "tokenizer.model", "tok512.bin", "LICENSE", "modeling.py", "vocab.txt"})
    EXPECT_FALSE(may_hold_weights(name)) << name;
}

}  // namespace
}  // namespace quern
