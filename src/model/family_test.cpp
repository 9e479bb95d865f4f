// What a GGUF file that is made from another takes over from it.
#include "model/family.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(CopiedMetadata, IsAllButTheLayoutOfTheOneFile) {
  Metadata source;
  const char* carried[] = {"general.architecture",         "general.license",
                           "general.sampling.temp",        "llama.block_count",
                           "tokenizer.chat_template.rag",  "tokenizer.ggml.fim_pre_token_id",
                           "tokenizer.ggml.add_sep_token", "tokenizer.huggingface.json"};
  const char* left[] = {"general.alignment", "general.file_type", "general.quantization_version",
                        "split.count",       "qwen3.block_count", "quantize.imatrix.file"};
  for (const char* key : carried) source.set(key, std::string(key));
  for (const char* key : left) source.set(key, 64u);
  const Metadata copied = copied_metadata(source, "llama.");
  EXPECT_EQ(copied.pairs().size(), std::size(carried));
  for (const char* key : carried) EXPECT_EQ(copied.text(key), key);
}

}  // namespace
}  // namespace quern
