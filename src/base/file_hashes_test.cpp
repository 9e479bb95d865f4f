// The hash of a file is that of its bytes, however it was taken.
#include "base/file_hashes.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/random.h"
#include "base/sha256.h"
#include "quern/error.h"

namespace quern {
namespace {

using Content = FileHashes::Content;

struct FileHashesTest : public testing::Test {
  const TemporaryFolder folder{"quern-hashes"};

  std::filesystem::path put(const char* name, std::size_t bytes) const {
    Random random(bytes);
    std::string text(bytes, ' ');
    for (char& c : text) c = static_cast<char>(random.below(256));
    OutputFile(folder.path() / name).write(text);
    return folder.path() / name;
  }
};

TEST_F(FileHashesTest, EqualThoseOfTheWholeFiles) {
  ThreadPool pool(4);
  for (const std::size_t advances : {0u, 1u, 3u, 40u}) {
    FileHashes hashes;
    std::vector<std::filesystem::path> paths;
    for (const std::size_t bytes : {0u, 1u, 1u << 20, 5000001u, 3000000u})
      hashes.add(paths.emplace_back(put(std::to_string(bytes).c_str(), bytes)), Content::kFinal);
    pool.run(advances, [&](std::size_t) { hashes.advance(); });
    hashes.finish(pool);
    for (const auto& path : paths) EXPECT_EQ(*hashes.find(path), sha256_of_file(path)) << path << ' ' << advances;
    EXPECT_EQ(hashes.find("another"), nullptr);
  }
}

TEST_F(FileHashesTest, AFileThatIsReadToItsEndIsNotHeld) {
  const auto is_open = [](const std::filesystem::path& path) {
    std::error_code ec;
    for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd"))
      if (std::filesystem::read_symlink(link, ec) == path) return true;
    return false;
  };
  FileHashes hashes;
  const auto first = put("a", 1500000), second = put("b", 1500000);
  for (const auto& path : {first, second}) hashes.add(path, Content::kFinal);
  for (int i = 0; i < 3; ++i) hashes.advance();
  EXPECT_FALSE(is_open(first));
  EXPECT_TRUE(is_open(second));
}

TEST_F(FileHashesTest, WhatIsNotSettledMayStillChange) {
  ThreadPool pool(2);
  const auto path = put("a", 3000000);
  OutputFile file(path, OutputFile::Content::kKeep);
  FileHashes hashes;
  hashes.add(path, Content::kBeingWritten);
  const std::string other = "other bytes";
  for (const std::uint64_t settled : {0u, 1000u, 1500000u, 2900000u}) {
    hashes.settle(path, settled);
    pool.run(10, [&](std::size_t) { hashes.advance(); });
    file.write_at(settled, std::as_bytes(std::span(other)));
  }
  hashes.finish(pool);
  EXPECT_EQ(*hashes.find(path), sha256_of_file(path));
}

TEST_F(FileHashesTest, AFileThatIsGoneIsAnError) {
  ThreadPool pool(2);
  FileHashes hashes;
  hashes.add(folder.path() / "none", Content::kFinal);
  EXPECT_THROW(hashes.advance(), Error);
  EXPECT_THROW(hashes.finish(pool), Error);
}

}  // namespace
}  // namespace quern
