// Text files -> documents -> token windows, and the split into calibration, gate and report text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace quern {

// Reads a text file. Error(kInput) naming the file when it is empty, holds only white space, or is not UTF-8 for the
// most part: more than one broken place in 8 bytes (with the position and value of the first; a UTF-16 or UTF-32
// byte-order mark is named as such). Fewer broken places become U+FFFD each, a UTF-8 mark is dropped, and CR LF and CR
// become LF, as in Python's universal newlines; `notes`, where there are any, gets sentences of that.
std::string load_text(const std::filesystem::path& path, std::vector<std::string>* notes = nullptr);

// Documents are separated by blank lines.
std::vector<std::string_view> documents_of(std::string_view text);

// Every `every`-th document (the last of each run of that many) goes to `gate`, the others to `calibration`; each side
// is joined again with blank lines. With fewer than `every` documents the text is cut by lines in the same way.
// Error(kInput) when the text has a single line.
struct TextSplit {
  std::string calibration, gate;
};
TextSplit split_text(std::string_view text, unsigned every = 5);

// Windows of exactly `length` tokens, cut as llama-perplexity cuts them: the whole text is tokenised once with BOS in
// front (if the vocabulary asks for it), consecutive windows are taken, the last incomplete one is dropped, and
// the first token of each window is replaced by BOS (if the vocabulary asks for it); where a template puts several ids
// before a text, these take the place of as many. At most `limit` windows (0: all).
// A text too short for one window is Error(kInput) that says how many tokens it has.
struct Windows {
  std::size_t length = 0;
  std::vector<std::int32_t> ids;  // [count * length]
  std::size_t count() const { return length ? ids.size() / length : 0; }
  std::span<const std::int32_t> window(std::size_t i) const { return std::span(ids).subspan(i * length, length); }
};
Windows make_windows(const Tokenizer& tokenizer, std::string_view text, std::size_t length = 512,
                     std::size_t limit = 0);

}  // namespace quern
