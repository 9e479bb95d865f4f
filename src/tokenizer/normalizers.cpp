// The types of the Python package tokenizers (huggingface.co/docs/tokenizers/api/normalizers), one row each.
#include "tokenizer/normalizers.h"

#include <memory>
#include <vector>

#include "base/base64.h"
#include "text/json_part.h"
#include "text/text_pattern.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/charsmap.h"

namespace quern {
namespace {

// A hostile file could double a text again and again.
void check_growth(std::size_t size, std::size_t from) {
  constexpr std::size_t kFree = 1 << 20, kFactor = 64;
  if (size > kFree && size / kFactor > from)
    fail(ErrorCode::kInput, "the normalizer makes more than {} bytes of {} bytes of text", size, from);
}

// Each character of a text becomes what `map` appends for it.
template <typename Map>
Normalizer by_character(Map map) {
  return [map](std::string text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) map(out, next_character(text, at));
    return out;
  };
}

template <NormalForm kForm>
Normalizer make_form(const Json&) {
  return [](std::string text) { return normal_form(text, kForm); };
}

Normalizer make_lowercase(const Json&) { return by_character(append_lower_case); }

Normalizer make_strip_accents(const Json&) {
  return by_character([](std::string& out, char32_t c) {
    if (!is_mark(c)) append_character(out, c);
  });
}

Normalizer make_strip(const Json& part) {
  const bool left = flag_of(part, "strip_left").value_or(true), right = flag_of(part, "strip_right").value_or(true);
  return [left, right](std::string text) {
    std::size_t begin = 0, end = 0;  // of what is kept
    bool is_open = false;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t here = at;
      if (is_space(next_character(text, at))) continue;
      if (!is_open) begin = here;
      is_open = true;
      end = at;
    }
    if (!is_open) return left || right ? std::string() : text;
    return text.substr(left ? begin : 0, (right ? end : text.size()) - (left ? begin : 0));
  };
}

Normalizer make_replace(const Json& part) {
  const auto pattern = std::make_shared<const TextPattern>(part.at("pattern"));
  return [pattern, content = part.at("content").as_string()](const std::string& text) {
    std::string out;
    out.reserve(text.size());
    pattern->cut(text, [&](TextPart found) {
      if (found.is_match) {
        out += content;
        check_growth(out.size(), text.size());
      } else {
        out.append(text, found.begin, found.end - found.begin);
      }
    });
    return out;
  };
}

Normalizer make_prepend(const Json& part) {
  return [prefix = part.at("prepend").as_string()](std::string text) {
    if (!text.empty()) text.insert(0, prefix);
    return text;
  };
}

Normalizer make_precompiled(const Json& part) {
  const auto map = std::make_shared<const Charsmap>(decode_base64(part.at("precompiled_charsmap").as_string()));
  return [map](const std::string& text) { return map->normalize(text); };
}

Normalizer make_byte_level(const Json&) {
  return [](const std::string& text) { return alphabet_of_bytes(text); };
}

// The white space and control characters of sentencepiece's rule "nmt".
Normalizer make_nmt(const Json&) {
  return by_character([](std::string& out, char32_t c) {
    const bool dropped =
        (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
    const bool space = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    if (!dropped) append_character(out, space ? U' ' : c);
  });
}

// What BERT does with a text, each step where the file asks for it.
Normalizer make_bert(const Json& part) {
  const bool clean = flag_of(part, "clean_text").value_or(true),
             apart = flag_of(part, "handle_chinese_chars").value_or(true);
  const bool lower = flag_of(part, "lowercase").value_or(true), bare = flag_of(part, "strip_accents").value_or(lower);
  const Normalizer spaced = by_character([clean, apart](std::string& out, char32_t c) {
    const bool is_blank = c == '\t' || c == '\n' || c == '\r' || is_space(c);
    if (clean && (c == 0 || c == 0xfffd || (is_other(c) && c != '\t' && c != '\n' && c != '\r'))) return;
    const bool alone = apart && is_ideograph(c);
    if (alone) out += ' ';
    append_character(out, clean && is_blank ? U' ' : c);
    if (alone) out += ' ';
  });
  const Normalizer folded = by_character([lower, bare](std::string& out, char32_t c) {
    if (bare && is_nonspacing_mark(c)) return;
    if (lower) {
      append_lower_case(out, c);
    } else {
      append_character(out, c);
    }
  });
  return [=](std::string text) {
    text = spaced(std::move(text));
    if (bare) text = normal_form(text, NormalForm::kNfd);
    return folded(std::move(text));
  };
}

constexpr PartRow<Normalizer> kNormalizers[] = {
    {"NFC", make_form<NormalForm::kNfc>},
    {"NFD", make_form<NormalForm::kNfd>},
    {"NFKC", make_form<NormalForm::kNfkc>},
    {"NFKD", make_form<NormalForm::kNfkd>},
    {"Lowercase", make_lowercase},
    {"StripAccents", make_strip_accents},
    {"Strip", make_strip},
    {"Replace", make_replace},
    {"Prepend", make_prepend},
    {"Precompiled", make_precompiled},
    {"ByteLevel", make_byte_level},
    {"Nmt", make_nmt},
    {"BertNormalizer", make_bert},
};

}  // namespace

Normalizer make_normalizer(const Json& part) {
  std::vector<Normalizer> steps;
  for (const Json* one : members_of(part, "normalizers")) steps.push_back(make_part(*one, kNormalizers, "normalizer"));
  return [steps](std::string text) {
    const std::size_t size = text.size();
    for (const Normalizer& step : steps) {
      text = step(std::move(text));
      check_growth(text.size(), size);
    }
    return text;
  };
}

}  // namespace quern
