// Three lists beside the table of weights.
#include "package/read_names.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/names.h"
#include "checkpoint/file_kinds.h"

namespace quern {
namespace {

// Beside weights (may_hold_weights): ends of names that programs look for, whatever stands before them.
constexpr std::string_view kReadEnds[] = {".jinja", ".model",      ".tiktoken", ".spm",       ".py", ".so",
                                          ".vocab", ".index.json", "vocab.txt", "merges.txt", ".bpe"};
// Words in names of JSON files that programs look for.
constexpr std::string_view kReadWords[] = {"config", "token",  "vocab",     "merges", "template", "adapter",
                                           "param",  "tekken", "processor", "module", "index",    "weight"};
// Of names that may be those of weights, those that programs leave alone: archives, downloads, copies, data.
constexpr std::string_view kUnreadEnds[] = {".gz",  ".bz2",     ".xz",   ".zst",        ".tar",        ".7z",
                                            ".rar", ".zip",     ".part", ".incomplete", ".crdownload", ".aria2",
                                            ".bak", ".parquet", ".npy",  ".data"};
constexpr std::string_view kTokenizers = "tokenizer.";  // whatever follows, such as model.v3

}  // namespace

bool is_read_by_programs(const std::filesystem::path& path) {
  const std::string name = small_letters(path.filename().string());
  const auto ends = [&](std::string_view end) { return name.ends_with(end); };
  if (std::ranges::any_of(kUnreadEnds, ends)) return false;
  if (may_hold_weights(path) || std::ranges::any_of(kReadEnds, ends) || name.starts_with(kTokenizers)) return true;
  return name.ends_with(".json") &&
         std::ranges::any_of(kReadWords, [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

}  // namespace quern
