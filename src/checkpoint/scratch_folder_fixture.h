// A folder of its own for a test, and files by bytes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "format/formats.h"
#include "quern/error.h"

namespace quern {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quern-format-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    OutputFile file(path_ / name);
    file.write(bytes);
    return path_ / name;
  }
  std::filesystem::path copy(const std::filesystem::path& from) const {
    std::filesystem::copy(from, path_ / from.filename(), std::filesystem::copy_options::recursive);
    return path_ / from.filename();
  }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(QUERN_TESTDATA) / "format" / name;
}

// Message of the Error(kInput) that opening throws; "" when it opens.
inline std::string refusal(const std::filesystem::path& path) {
  try {
    open_checkpoint(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

inline void expect_refused(const std::filesystem::path& path, std::initializer_list<std::string_view> parts) {
  const std::string message = refusal(path);
  EXPECT_NE(message, "") << path << " was accepted";
  for (const std::string_view part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
}

inline std::vector<std::byte> read_part(const Checkpoint& checkpoint, std::string_view name, std::size_t part = 0) {
  const TensorEntry& entry = checkpoint.at(name);
  std::vector<std::byte> bytes(entry.parts.at(part).bytes);
  checkpoint.read(entry, part, 0, bytes);
  return bytes;
}

template <typename T>
std::vector<T> read_as(const Checkpoint& checkpoint, std::string_view name) {
  const std::vector<std::byte> bytes = read_part(checkpoint, name);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The bytes of ramp() in tools/make_format_fixtures.py.
inline std::vector<std::byte> ramp(std::size_t count, std::size_t start) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((start * 7 + i * 3) % 251);
  return bytes;
}

// Keeps what a test wrote for tools/check_written_files.py, where QUERN_KEEP_WRITTEN names a folder.
inline void keep_written(const std::filesystem::path& written, const std::string& name) {
  const char* folder = std::getenv("QUERN_KEEP_WRITTEN");
  if (!folder) return;
  std::filesystem::create_directories(folder);
  const auto options = std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy(written, std::filesystem::path(folder) / name, options);
}

inline std::string text_of_file(const std::filesystem::path& path) { return read_text(path); }

}  // namespace quern
