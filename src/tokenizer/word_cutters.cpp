// The types of the Python package tokenizers (huggingface.co/docs/tokenizers/api/pre-tokenizers), one row each.
#include "tokenizer/word_cutters.h"

#include <memory>
#include <string>
#include <vector>

#include "text/json_part.h"
#include "text/text_pattern.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizers.h"

namespace quern {
namespace {

// What becomes of matches.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct BehaviorRow {
  const char* name;
  Behavior behavior;
};
constexpr BehaviorRow kBehaviors[] = {
    {"Removed", Behavior::kRemoved},
    {"Isolated", Behavior::kIsolated},
    {"MergedWithPrevious", Behavior::kMergedWithPrevious},
    {"MergedWithNext", Behavior::kMergedWithNext},
    {"Contiguous", Behavior::kContiguous},
};

Behavior behavior_of(const Json& part, const char* otherwise) {
  const std::string name = text_of(part, "behavior", otherwise);
  for (const BehaviorRow& row : kBehaviors)
    if (name == row.name) return row.behavior;
  fail(ErrorCode::kInput, "the behavior \"{}\" is not known", name);
}

// Puts matches and what lies between them together into words.
class Joiner {
 public:
  Joiner(Behavior behavior, const Word& word, const TakeWord& take) : behavior_(behavior), word_(word), take_(take) {}

  void add(TextPart part) {
    if (behavior_ == Behavior::kRemoved && part.is_match) return;
    if (open_.end > 0 && joins(part)) {
      open_.end = part.end;
    } else {
      close();
      open_ = part;
    }
    after_match_ = part.is_match;
  }

  void close() {
    if (open_.end > 0)
      take_({word_.text.substr(open_.begin, open_.end - open_.begin), word_.opens_text && open_.begin == 0});
    open_ = {};
  }

 private:
  bool joins(const TextPart& part) const {
    if (behavior_ == Behavior::kContiguous) return part.is_match == after_match_;
    if (behavior_ == Behavior::kMergedWithPrevious) return part.is_match && !after_match_;
    return behavior_ == Behavior::kMergedWithNext && !part.is_match && after_match_;
  }

  Behavior behavior_;
  const Word& word_;
  const TakeWord& take_;
  TextPart open_;  // of no end: none
  bool after_match_ = false;
};

// Each character of which `matches` holds is a match by itself.
template <typename Matches>
WordCutter cut_at(Matches matches, Behavior behavior) {
  return [=](const Word& word, const TakeWord& take) {
    Joiner joiner(behavior, word, take);
    std::size_t done = 0;
    for (std::size_t at = 0; at < word.text.size();) {
      const std::size_t here = at;
      if (!matches(next_character(word.text, at))) continue;
      if (here > done) joiner.add({done, here, false});
      joiner.add({here, at, true});
      done = at;
    }
    if (done < word.text.size()) joiner.add({done, word.text.size(), false});
    joiner.close();
  };
}

WordCutter one_after_the_other(std::vector<WordCutter> cutters) {
  if (cutters.empty()) return [](const Word& word, const TakeWord& take) { take(word); };
  WordCutter whole = std::move(cutters.back());
  cutters.pop_back();
  for (; !cutters.empty(); cutters.pop_back())
    whole = [first = std::move(cutters.back()), then = std::move(whole)](const Word& word, const TakeWord& take) {
      first(word, [&](const Word& part) { then(part, take); });
    };
  return whole;
}

WordCutter cut_by_split(const Json& part) {
  const auto pattern = std::make_shared<const TextPattern>(part.at("pattern"));
  const Behavior behavior = behavior_of(part, "Removed");
  const bool invert = flag_of(part, "invert").value_or(false);
  return [=](const Word& word, const TakeWord& take) {
    Joiner joiner(behavior, word, take);
    pattern->cut(word.text, [&](TextPart found) {
      found.is_match = found.is_match != invert;
      joiner.add(found);
    });
    joiner.close();
  };
}

// A space in front where the first word has none, a pattern, and a printable character for each byte.
WordCutter cut_by_byte_level(const Json& part) {
  const bool prefix = flag_of(part, "add_prefix_space").value_or(true);
  const auto splitter = flag_of(part, "use_regex").value_or(true)
                            ? std::make_shared<const TextSplitter>(std::vector<std::string>{kGpt2Split})
                            : nullptr;
  return [=](const Word& word, const TakeWord& take) {
    const std::string text = (prefix && !word.text.starts_with(' ') ? " " : "") + std::string(word.text);
    bool opens = word.opens_text;
    const auto give = [&](std::string_view piece) {
      take({alphabet_of_bytes(piece), opens});
      opens = false;
    };
    if (splitter) return splitter->split(text, give);
    give(text);
  };
}

// "always", "first" and "never"; older files have a flag.
std::string prepend_scheme(const Json& part) {
  return text_of(part, "prepend_scheme", flag_of(part, "add_prefix_space").value_or(true) ? "always" : "never");
}

WordCutter cut_by_metaspace(const Json& part) {
  const std::string mark = character_of(part, "replacement", "\u2581"), scheme = prepend_scheme(part);
  if (scheme != "always" && scheme != "first" && scheme != "never")
    fail(ErrorCode::kInput, "the prepend_scheme \"{}\" is not known", scheme);
  const bool split = flag_of(part, "split").value_or(true);
  const auto pattern = std::make_shared<const TextPattern>(Json::object({{"String", mark}}));
  return [=](const Word& word, const TakeWord& take) {
    std::string text;
    text.reserve(word.text.size() + word.text.size() / 2);
    for (const char c : word.text) {
      if (c == ' ') {
        text += mark;
      } else {
        text += c;
      }
    }
    const bool wanted = scheme == "always" || (scheme == "first" && word.opens_text);
    if (wanted && !text.starts_with(mark)) text.insert(0, mark);
    const Word marked{text, word.opens_text};
    if (!split) return take(marked);
    Joiner joiner(Behavior::kMergedWithNext, marked, take);
    pattern->cut(text, [&](TextPart found) { joiner.add(found); });
    joiner.close();
  };
}

WordCutter cut_by_digits(const Json& part) {
  return cut_at(is_number,
                flag_of(part, "individual_digits").value_or(false) ? Behavior::kIsolated : Behavior::kContiguous);
}

WordCutter cut_by_punctuation(const Json& part) { return cut_at(is_punctuation, behavior_of(part, "Isolated")); }

WordCutter cut_by_white_space_split(const Json&) { return cut_at(is_space, Behavior::kRemoved); }

WordCutter cut_by_bert(const Json&) {
  return one_after_the_other({cut_at(is_space, Behavior::kRemoved), cut_at(is_punctuation, Behavior::kIsolated)});
}

// \w+|[^\w\s]+
WordCutter cut_by_white_space(const Json&) {
  return one_after_the_other({cut_at(is_space, Behavior::kRemoved), cut_at(is_word_character, Behavior::kContiguous)});
}

WordCutter cut_by_delimiter(const Json& part) {
  const std::string delimiter = character_of(part, "delimiter", "");
  std::size_t at = 0;
  const char32_t wanted = next_character(delimiter, at);
  return cut_at([wanted](char32_t c) { return c == wanted; }, Behavior::kRemoved);
}

constexpr PartRow<WordCutter> kCutters[] = {
    {"ByteLevel", cut_by_byte_level},
    {"Metaspace", cut_by_metaspace},
    {"Split", cut_by_split},
    {"Digits", cut_by_digits},
    {"Punctuation", cut_by_punctuation},
    {"Whitespace", cut_by_white_space},
    {"WhitespaceSplit", cut_by_white_space_split},
    {"BertPreTokenizer", cut_by_bert},
    {"CharDelimiterSplit", cut_by_delimiter},
};

}  // namespace

WordCutter make_word_cutter(const Json& part) {
  std::vector<WordCutter> cutters;
  for (const Json* one : members_of(part, "pretokenizers"))
    cutters.push_back(make_part(*one, kCutters, "pre_tokenizer"));
  return one_after_the_other(std::move(cutters));
}

}  // namespace quern
