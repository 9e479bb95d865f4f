// Tokenizer and generation settings from the source's vocabulary.
#include "package/companion_files.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "checkpoint/hf_folder.h"
#include "codec/codec.h"
#include "vocabulary/end_tokens.h"
#include "vocabulary/tokenizer_files.h"

namespace quern {
namespace {

struct FloatType {
  const char *encoding, *torch;
};
constexpr FloatType kFloatTypes[] = {{"bf16", "bfloat16"}, {"f16", "float16"}, {kFloat32, "float32"}};

}  // namespace

void add_companions(CheckpointHead& head, const Json& config, const OpenModel& source,
                    const SourceTokenizer& tokenizer) {
  head.config = config;
  if (!has_tokenizer(source.checkpoint)) return;
  const Vocabulary& vocabulary = tokenizer.get().vocabulary();
  set_special_ids(head.config, vocabulary);
  head.companions = tokenizer_files(vocabulary, chat_templates(source.checkpoint));
  head.companions.push_back(generation_config(vocabulary, end_tokens(source.checkpoint, vocabulary)));
}

void set_torch_type(CheckpointHead& head) {
  std::uint64_t most = 0;
  const char* type = kFloatTypes[0].torch;
  for (const FloatType& row : kFloatTypes) {
    std::uint64_t elements = 0;
    for (const TensorSpec& tensor : head.tensors)
      if (plain_encoding(tensor.encoding) == row.encoding && tensor.shape.size() > 1)
        elements += element_count(tensor.shape);
    if (elements > most) type = row.torch;
    most = std::max(most, elements);
  }
  head.config.set("torch_dtype", type);
}

std::vector<std::string> broken_tokenizer_notes(const Checkpoint& source) {
  std::vector<std::string> notes;
  for (const SourceFile& file : source.files()) {
    if (file.role != SourceFile::Role::kTokenizer || file.path.extension() != ".json") continue;
    if (file.path.filename() == "tokenizer.json" && !find_tokenizer_file(source, "tokenizer.model"))
      continue;  // is read
    try {
      parse_python_json(read_text(file.path));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInput) throw;
      notes.push_back(fmt::format("{} goes along as it is, and programs that read it will refuse it: {}",
                                  file.path.filename().string(), error.what()));
    }
  }
  return notes;
}

}  // namespace quern
