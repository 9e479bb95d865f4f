// Copied to a file: texts are read more than once, and their hashes name them.
#include "cli/standard_input.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "base/fail.h"
#include "cli/interrupts.h"

namespace quern::cli {
namespace {

constexpr const char *kDash = "-", *kFolder = "quern-input", *kName = "standard-input";
constexpr std::size_t kDrawn = 7;  // signs of the name of a temporary folder behind its beginning
constexpr std::size_t kChunk = std::size_t{1} << 16;
constexpr int kPatience = 100;  // milliseconds between two looks whether to stop

// Whether there is something to read, or the end. Error(kInterrupted).
bool is_ready() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  const int count = ::poll(&input, 1, kPatience);
  if (stop_requested()) fail(ErrorCode::kInterrupted, "interrupted while reading standard input");
  return count > 0;
}

void copy_to(const std::filesystem::path& path) {
  OutputFile file(path);
  std::vector<char> chunk(kChunk);
  for (;;) {
    if (!is_ready()) continue;
    const ssize_t count = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (count == 0) return file.finish();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorCode::kInput, "cannot read standard input: {}", std::strerror(errno));
    file.write(std::as_bytes(std::span(chunk.data(), static_cast<std::size_t>(count))));
  }
}

}  // namespace

std::string with_input_name(std::string text) {
  std::error_code ec;
  const std::string begin = (std::filesystem::temp_directory_path(ec) / kFolder).string(),
                    end = std::string("/") + kName;
  if (ec) return text;
  for (std::size_t at = 0; (at = text.find(begin, at)) != std::string::npos;) {
    const std::size_t name = at + begin.size() + kDrawn;
    if (text.compare(std::min(name, text.size()), end.size(), end) == 0)
      text.replace(at, name + end.size() - at, "standard input");
    else
      at += begin.size();
  }
  return text;
}

StandardInput::StandardInput(std::initializer_list<std::pair<const char*, std::filesystem::path*>> options) {
  const char* taken = nullptr;
  for (const auto& [name, path] : options) {
    if (*path != kDash) continue;
    if (taken) fail(ErrorCode::kUsage, "{} and {} both are -, and standard input can be read once", taken, name);
    taken = name;
    folder_.emplace(kFolder);
    *path = folder_->path() / kName;
    copy_to(*path);
  }
}

}  // namespace quern::cli
