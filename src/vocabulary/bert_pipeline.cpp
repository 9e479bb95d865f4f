// In the parts of a tokenizer.json.
#include "vocabulary/bert_pipeline.h"

namespace quern {

Vocabulary::Pipeline bert_pipeline(const BertOptions& options) {
  return {.normalizer = Json::object({{"type", "BertNormalizer"},
                                      {"clean_text", true},
                                      {"handle_chinese_chars", options.parts_ideographs},
                                      {"strip_accents", options.strip_accents},
                                      {"lowercase", options.lowercase}}),
          .pre_tokenizer = Json::object({{"type", "BertPreTokenizer"}}),
          .decoder = Json::object({{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}),
          .part_prefix = "##"};
}

}  // namespace quern
