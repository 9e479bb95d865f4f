// quern_ledger --check FOLDER | --write FOLDER: results.csv and packages.csv.
#include "tests/ledger/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "quern/error.h"

namespace quern {
namespace {

struct Ledger {
  const char* file;
  std::string (*now)();
};
constexpr Ledger kLedgers[] = {{"results.csv", matrix_ledger}, {"packages.csv", package_ledger}};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  return lines;
}

// Prints the lines that are only in one of the two. Whether there are any.
bool differ(const std::string& golden, const std::string& now) {
  if (golden == now) return false;
  const std::vector<std::string> before = lines_of(golden), after = lines_of(now);
  for (const std::string& line : before)
    if (!std::ranges::count(after, line)) fmt::print("- {}\n", line);
  for (const std::string& line : after)
    if (!std::ranges::count(before, line)) fmt::print("+ {}\n", line);
  return true;
}

int check(const std::filesystem::path& folder) {
  bool all_equal = true;
  for (const Ledger& ledger : kLedgers)
    if (differ(read_text(folder / ledger.file), ledger.now())) all_equal = false;
  if (!all_equal) fmt::print("The results have changed. If they should: ./dev ledger, and say why in the commit.\n");
  return all_equal ? 0 : 1;
}

int write(const std::filesystem::path& folder) {
  for (const Ledger& ledger : kLedgers) {
    OutputFile out(folder / ledger.file);
    out.write(ledger.now());
    out.finish();
  }
  return 0;
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  const std::string mode = argc == 3 ? argv[1] : "";
  if (mode != "--check" && mode != "--write") {
    fmt::print(stderr, "usage: quern_ledger --check FOLDER | --write FOLDER\n");
    return 2;
  }
  try {
    return mode == "--check" ? quern::check(argv[2]) : quern::write(argv[2]);
  } catch (const quern::Error& error) {
    fmt::print(stderr, "quern_ledger: {}\n", error.what());
    return 1;
  }
}
