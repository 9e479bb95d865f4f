// The types of the Python package tokenizers (huggingface.co/docs/tokenizers/api/decoders), one row each.
#include "tokenizer/token_decoders.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "base/fail.h"
#include "base/printable.h"
#include "text/json_part.h"
#include "text/text_pattern.h"
#include "tokenizer/byte_alphabet.h"

namespace quern {
namespace {

using Tokens = std::vector<std::string>;

// Of decoders that look at one token at a time.
template <typename Rewrite>
TokenDecoder by_token(Rewrite rewrite) {
  return {[rewrite](Tokens& tokens) {
            for (std::string& token : tokens) token = rewrite(std::move(token));
          },
          [rewrite](std::string token) { return rewrite(std::move(token)); }};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

TokenDecoder make_byte_level(const Json&) {
  return by_token([](std::string token) { return bytes_of_alphabet(token).value_or(token); });
}

// "<0x0A>" -> '\n'.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned char byte = 0;
  const auto read = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  return read.ec == std::errc() && read.ptr == token.data() + 5 ? std::optional(static_cast<char>(byte)) : std::nullopt;
}

TokenDecoder make_byte_fallback(const Json&) {
  return by_token([](std::string token) {
    const auto byte = byte_of(token);
    return byte ? std::string(1, *byte) : token;
  });
}

TokenDecoder make_fuse(const Json&) {
  return {[](Tokens& tokens) {
            std::string all;
            for (const std::string& token : tokens) all += token;
            tokens.assign(1, std::move(all));
          },
          [](std::string token) { return token; }};
}

TokenDecoder make_strip(const Json& part) {
  const std::string content = part.at("content").as_string();
  const std::size_t start = count_of(part, "start", 0), stop = count_of(part, "stop", 0);
  return by_token([=](std::string token) {
    if (content.empty()) return token;
    for (std::size_t i = 0; i < start && token.starts_with(content); ++i) token.erase(0, content.size());
    for (std::size_t i = 0; i < stop && token.ends_with(content); ++i) token.resize(token.size() - content.size());
    return token;
  });
}

TokenDecoder make_replace(const Json& part) {
  const auto pattern = std::make_shared<const TextPattern>(part.at("pattern"));
  return by_token([pattern, content = part.at("content").as_string()](const std::string& token) {
    constexpr std::size_t kMost = 1 << 20;  // bytes of one token
    std::string out;
    pattern->cut(token, [&](TextPart found) {
      out += found.is_match ? std::string_view(content)
                            : std::string_view(token).substr(found.begin, found.end - found.begin);
      if (out.size() > std::max(kMost, 2 * token.size()))
        fail(ErrorCode::kInput, "the decoder makes more than {} bytes of the token \"{}\"", kMost, excerpt(token));
    });
    return out;
  });
}

TokenDecoder make_metaspace(const Json& part) {
  const std::string mark = character_of(part, "replacement", "\u2581");
  const std::string scheme =
      text_of(part, "prepend_scheme", flag_of(part, "add_prefix_space").value_or(true) ? "always" : "never");
  const auto piece = [mark](std::string token) {
    replace_all(token, mark, " ");
    return token;
  };
  return {[=](Tokens& tokens) {
            if (tokens.empty()) return;
            if (scheme != "never") replace_all(tokens[0], mark, "");
            for (std::string& token : tokens) token = piece(std::move(token));
          },
          piece};
}

void clean_up(std::string& text) {
  constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

TokenDecoder make_word_piece(const Json& part) {
  const std::string prefix = text_of(part, "prefix", "##");
  const bool cleans = flag_of(part, "cleanup").value_or(true);
  const auto piece = [=](std::string token) {
    if (token.starts_with(prefix)) {
      token.erase(0, prefix.size());
    } else {
      token.insert(0, " ");
    }
    if (cleans) clean_up(token);
    return token;
  };
  return {[=](Tokens& tokens) {
            if (!tokens.empty() && cleans) clean_up(tokens[0]);
            for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i] = piece(std::move(tokens[i]));
          },
          piece};
}

TokenDecoder make_bpe(const Json& part) {
  const std::string suffix = text_of(part, "suffix", "</w>");
  const auto piece = [suffix](std::string token) {
    replace_all(token, suffix, " ");
    return token;
  };
  return {[=](Tokens& tokens) {
            for (std::size_t i = 0; i < tokens.size(); ++i)
              replace_all(tokens[i], suffix, i + 1 < tokens.size() ? " " : "");
          },
          piece};
}

constexpr PartRow<TokenDecoder> kDecoders[] = {
    {"ByteLevel", make_byte_level},
    {"ByteFallback", make_byte_fallback},
    {"Fuse", make_fuse},
    {"Strip", make_strip},
    {"Replace", make_replace},
    {"Metaspace", make_metaspace},
    {"WordPiece", make_word_piece},
    {"BPEDecoder", make_bpe},
};

TokenDecoder spaces_between() {
  return {[](Tokens& tokens) {
            for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, " ");
          },
          [](std::string token) { return " " + token; }};
}

}  // namespace

TokenDecoder make_token_decoder(const Json& part) {
  if (part.is_null()) return spaces_between();
  std::vector<TokenDecoder> steps;
  bool is_fused = false;
  for (const Json* one : members_of(part, "decoders")) {
    steps.push_back(make_part(*one, kDecoders, "decoder"));
    const std::string& type = one->at("type").as_string();
    // The edges of all tokens together are not those of one in their midst.
    if (is_fused && type == "Strip") steps.back().piece = [](std::string token) { return token; };
    is_fused = is_fused || type == "Fuse";
  }
  return {[steps](Tokens& tokens) {
            for (const TokenDecoder& step : steps) step.whole(tokens);
          },
          [steps](std::string token) {
            for (const TokenDecoder& step : steps) token = step.piece(std::move(token));
            return token;
          }};
}

}  // namespace quern
