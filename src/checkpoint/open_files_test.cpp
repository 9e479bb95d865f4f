// More files than are open at once, each read as if it were.
#include "checkpoint/open_files.h"

#include <algorithm>
#include <array>

#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFiles = OpenFiles::kMost + 20;

std::vector<fs::path> numbered_files(const ScratchFolder& folder) {
  std::vector<fs::path> paths;
  for (std::size_t i = 0; i < kFiles; ++i)
    paths.push_back(folder.write(std::to_string(i), std::string(1, static_cast<char>(i))));
  return paths;
}

std::size_t content_of(const File& file) {
  std::array<std::byte, 1> byte;
  file.read(0, byte);
  return std::to_integer<std::size_t>(byte[0]);
}

std::size_t open_in(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& link : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ec;
    count += fs::read_symlink(link, ec).parent_path() == folder;
  }
  return count;
}

TEST(OpenFiles, AreReadInAnyOrderWithFewOpen) {
  const ScratchFolder folder;
  OpenFiles files(numbered_files(folder));
  EXPECT_EQ(open_in(folder.path()), 0u);
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t i = 0; i < kFiles; ++i) EXPECT_EQ(content_of(*files.open(i)), i % 256);
  EXPECT_EQ(open_in(folder.path()), OpenFiles::kMost);
}

TEST(OpenFiles, OneThatIsHeldStaysOpen) {
  const ScratchFolder folder;
  OpenFiles files(numbered_files(folder));
  const std::shared_ptr<const File> held = files.open(7);
  for (std::size_t i = 0; i < kFiles; ++i) files.open(i);
  fs::remove(folder.path() / "7");
  EXPECT_EQ(content_of(*held), 7u);
}

TEST(OpenFiles, OneThatWasReplacedIsRefusedWhenItIsOpenedAgain) {
  const ScratchFolder folder;
  OpenFiles files(numbered_files(folder));
  for (std::size_t i = 0; i < kFiles; ++i) files.open(i);
  folder.write("0", "longer");
  try {
    files.open(0);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("has changed while it was being read"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace quern
