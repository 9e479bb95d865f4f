// What a vocabulary adds to a text.
#include "tokenizer/vocabulary.h"

namespace quern {
namespace {

std::vector<std::int32_t> side_of(const std::vector<std::int32_t>& of_template, std::int32_t usual) {
  if (!of_template.empty() || usual < 0) return of_template;
  return {usual};
}

}  // namespace

std::vector<std::int32_t> ids_before_text(const Vocabulary& vocabulary) {
  if (!vocabulary.add_bos) return {};
  return side_of(vocabulary.before_text, vocabulary.bos);
}

std::vector<std::int32_t> ids_behind_text(const Vocabulary& vocabulary) {
  if (!vocabulary.add_eos) return {};
  return side_of(vocabulary.behind_text, vocabulary.eos);
}

}  // namespace quern
