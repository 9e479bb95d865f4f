// print_tokens TOKENIZER TEXT [SEPARATOR]: the ids of a text on standard output as 32-bit integers, and the seconds
// that cutting it took on standard error. TOKENIZER is a model's folder or file, or a tokenizer.json by itself. With a
// separator the parts that it stands between are cut each for itself, and -1 follows the ids of each.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "base/file.h"
#include "format/formats.h"
#include "quern/error.h"
#include "vocabulary/load_tokenizer.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

Tokenizer tokenizer_of(const std::filesystem::path& path) {
  if (path.extension() == ".json") return Tokenizer::from_vocabulary(parse_tokenizer_json(read_text(path)));
  return load_tokenizer(open_checkpoint(path));
}

constexpr std::int32_t kEndOfPart = -1;

std::vector<std::int32_t> ids_of_parts(const Tokenizer& tokenizer, std::string_view text, std::string_view separator) {
  std::vector<std::int32_t> ids;
  while (true) {
    const std::size_t end = text.find(separator);
    const std::vector<std::int32_t> part = tokenizer.encode(std::string(text.substr(0, end)));
    ids.insert(ids.end(), part.begin(), part.end());
    ids.push_back(kEndOfPart);
    if (end == std::string_view::npos) return ids;
    text.remove_prefix(end + separator.size());
  }
}

void print_tokens(const std::filesystem::path& model, const std::filesystem::path& text, const char* separator) {
  const Tokenizer tokenizer = tokenizer_of(model);
  const std::string whole = read_text(text);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::int32_t> ids = separator ? ids_of_parts(tokenizer, whole, separator) : tokenizer.encode(whole);
  fmt::print(stderr, "{}\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fwrite(ids.data(), sizeof ids[0], ids.size(), stdout);
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  try {
    quern::print_tokens(argv[1], argv[2], argc == 4 ? argv[3] : nullptr);
  } catch (const quern::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
