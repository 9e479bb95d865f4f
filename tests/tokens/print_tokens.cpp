// print_tokens TOKENIZER TEXT: the ids of a text on standard output as 32-bit integers, and the seconds that cutting it
// took on standard error. TOKENIZER is a model's folder or file, or a tokenizer.json by itself.
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

void print_tokens(const std::filesystem::path& model, const std::filesystem::path& text) {
  const Tokenizer tokenizer = tokenizer_of(model);
  const std::string whole = read_text(text);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::int32_t> ids = tokenizer.encode(whole);
  fmt::print(stderr, "{}\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::fwrite(ids.data(), sizeof ids[0], ids.size(), stdout);
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    quern::print_tokens(argv[1], argv[2]);
  } catch (const quern::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
