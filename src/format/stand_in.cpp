// Git LFS, specification of pointer files: "version https://git-lfs.github.com/spec/v1", then lines of keys in the
// order of the alphabet, `oid` and `size` among them; below 1024 bytes.
#include "format/stand_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/printable.h"
#include "checkpoint/file_kinds.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestPointer = 1024;
constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/", kSize = "\nsize ";

std::string first_bytes(const fs::path& path) {
  const File file(path);
  std::string text(std::min<std::uint64_t>(file.size(), kLongestPointer), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

bool is_html(std::string_view text) {
  std::string start;
  for (const char c : text.substr(0, 64))
    if (!start.empty() || !std::isspace(static_cast<unsigned char>(c)))
      start += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

std::string stand_in_of(const fs::path& path) {
  const std::string text = first_bytes(path);
  if (text.starts_with(kPointer)) {
    const std::size_t at = text.find(kSize);
    const std::string size =
        at == std::string::npos ? "" : text.substr(at + kSize.size(), text.find('\n', at + 1) - at - kSize.size());
    return fmt::format(
        "{} is a pointer of Git LFS to {} bytes, not the file itself; run `git lfs pull` in its repository, or "
        "download "
        "the file",
        path.string(), size.empty() ? "unknown" : printable_line(size));
  }
  if (is_html(text))
    return fmt::format("{} is an HTML page, not a model: its download went wrong; read the page, then download again",
                       path.string());
  return {};
}

}  // namespace

std::string stand_in_for_weights(const fs::path& path) {
  std::error_code ec;
  if (fs::is_regular_file(path, ec)) return stand_in_of(path);
  std::vector<fs::path> files;
  if (fs::is_directory(path, ec))
    for (const fs::directory_entry& entry : fs::directory_iterator(path, ec))
      if (entry.is_regular_file(ec) && is_named_as_model(entry.path())) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const fs::path& file : files)
    if (std::string what = stand_in_of(file); !what.empty()) return what;
  return {};
}

}  // namespace quern
