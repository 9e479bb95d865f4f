// One array of floats, in memory or in an unlinked file, window after window.
#include "runtime/activation_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/fail.h"

namespace quern {
namespace {

// A file without a name: the system removes it when it is closed, however the program ends.
class SpillFile {
 public:
  explicit SpillFile(std::uint64_t bytes) {
    const char* chosen = std::getenv("TMPDIR");
    folder_ = chosen && *chosen ? chosen : "/tmp";
    file_ = open_unnamed(folder_);
    if (file_.get() < 0) refuse("cannot be created", bytes);
    if (const int reason = posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes)); reason != 0) {
      errno = reason;
      refuse("cannot hold", bytes);
    }
  }

  void read(std::uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
      const ssize_t got = pread(file_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) refuse("cannot be read back", out.size());
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

  void write(std::uint64_t offset, ByteSpan bytes) const {
    while (!bytes.empty()) {
      const ssize_t put = pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) refuse("cannot take", bytes.size());
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
  }

 private:
  [[noreturn]] void refuse(const char* what, std::uint64_t bytes) const {
    fail(ErrorCode::kResource,
         "the temporary file in {} for hidden states {} {} bytes: {}; point TMPDIR to a folder with room",
         folder_.string(), what, bytes, std::strerror(errno));
  }

  std::filesystem::path folder_;
  Descriptor file_;
};

std::uint64_t bytes_of(std::size_t windows, std::size_t length, std::size_t width) {
  const auto cells = checked_mul(windows, length);
  const auto floats = cells ? checked_mul(*cells, width) : cells;
  const auto bytes = floats ? checked_mul(*floats, sizeof(float)) : floats;
  if (!bytes || *bytes > static_cast<std::uint64_t>(INT64_MAX))
    fail(ErrorCode::kResource, "hidden states of {} windows of {} x {} values are too large", windows, length, width);
  return *bytes;
}

}  // namespace

struct ActivationStore::State {
  std::size_t windows, length, width;
  std::vector<float> memory;
  std::unique_ptr<SpillFile> file;

  std::size_t floats_per_window() const { return length * width; }
  void check(std::size_t window, MatrixView view) const {
    ensure(window < windows && view.rows == length && view.cols == width,
           "ActivationStore: window {} of {}, [{}, {}] for [{}, {}]", window, windows, view.rows, view.cols, length,
           width);
  }
};

ActivationStore::ActivationStore(std::size_t windows, std::size_t length, std::size_t width, std::uint64_t memory_limit)
    : state_(std::make_unique<State>()) {
  state_->windows = windows;
  state_->length = length;
  state_->width = width;
  const std::uint64_t bytes = bytes_of(windows, length, width);
  if (bytes > memory_limit) {
    state_->file = std::make_unique<SpillFile>(bytes);
  } else {
    state_->memory.resize(windows * length * width);
  }
}

ActivationStore::ActivationStore(ActivationStore&&) noexcept = default;
ActivationStore& ActivationStore::operator=(ActivationStore&&) noexcept = default;
ActivationStore::~ActivationStore() = default;

std::size_t ActivationStore::windows() const noexcept { return state_->windows; }
std::size_t ActivationStore::length() const noexcept { return state_->length; }
std::size_t ActivationStore::width() const noexcept { return state_->width; }

void ActivationStore::load(std::size_t window, MutableMatrixView out) const {
  const State& s = *state_;
  s.check(window, out);
  for (std::size_t i = 0; i < s.length;) {
    const std::size_t rows = out.stride == out.cols ? s.length : 1;
    const std::size_t at = window * s.floats_per_window() + i * s.width;
    const std::span<float> to(out.row(i).data(), rows * s.width);
    if (s.file) {
      s.file->read(at * sizeof(float), std::as_writable_bytes(to));
    } else {
      std::copy_n(s.memory.data() + at, to.size(), to.data());
    }
    i += rows;
  }
}

void ActivationStore::save(std::size_t window, MatrixView in) {
  State& s = *state_;
  s.check(window, in);
  for (std::size_t i = 0; i < s.length;) {
    const std::size_t rows = in.stride == in.cols ? s.length : 1;
    const std::size_t at = window * s.floats_per_window() + i * s.width;
    const std::span<const float> from(in.row(i).data(), rows * s.width);
    if (s.file) {
      s.file->write(at * sizeof(float), std::as_bytes(from));
    } else {
      std::copy_n(from.data(), from.size(), s.memory.data() + at);
    }
    i += rows;
  }
}

}  // namespace quern
