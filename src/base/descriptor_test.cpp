// What is opened, and what is refused with a sentence.
#include "base/descriptor.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "quern/error.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

class DescriptorTest : public testing::Test {
 protected:
  DescriptorTest() : folder_("quern-descriptor") {}

  fs::path at(const char* name) const { return folder_.path() / name; }
  fs::path put(const char* name, std::string_view text) const {
    std::ofstream(at(name)) << text;
    return at(name);
  }
  fs::path link(const char* name, const fs::path& to) const {
    fs::create_symlink(to, at(name));
    return at(name);
  }
  fs::path pipe(const char* name) const {
    EXPECT_EQ(::mkfifo(at(name).c_str(), 0600), 0);
    return at(name);
  }

  TemporaryFolder folder_;
};

template <typename Body>
void expect_refusal(ErrorCode code, std::string_view part, Body&& body) {
  try {
    body();
    ADD_FAILURE() << "nothing was refused: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST_F(DescriptorTest, ReadingFollowsLinksToFilesAndNothingElse) {
  put("file", "0123");
  EXPECT_EQ(open_to_read(link("link", "file")).bytes, 4u);
  link("nowhere", "lost");
  link("loop", "loop");
  pipe("pipe");
  fs::create_directory(at("folder"));
  for (const auto& [name, why] : {std::pair("missing", "cannot open"),
                                  {"nowhere", "is a link that leads nowhere, to lost"},
                                  {"loop", "is a link that leads back to itself"},
                                  {"pipe", "it is a pipe, and can be read only once"},
                                  {"folder", "it is a folder"}})
    expect_refusal(ErrorCode::kInput, why, [&, file = name] { open_to_read(at(file)); });
  expect_refusal(ErrorCode::kInput, "it is a device", [] { open_to_read("/dev/null"); });
}

TEST_F(DescriptorTest, WhatIsOptionalIsAbsentOnlyWhereNothingHasTheName) {
  EXPECT_EQ(find_file(at("missing")), std::nullopt);
  EXPECT_EQ(find_file(put("file", "0123") / "below"), std::nullopt);
  EXPECT_EQ(find_file(at("file")), 4u);
  EXPECT_EQ(find_file(link("link", "file")), 4u);
  expect_refusal(ErrorCode::kInput, "leads nowhere", [&] { find_file(link("nowhere", "lost")); });
  expect_refusal(ErrorCode::kInput, "it is a pipe", [&] { find_file(pipe("pipe")); });
  expect_refusal(ErrorCode::kInput, "it is a folder", [&] { find_file(folder_.path()); });
}

TEST_F(DescriptorTest, ANewFileLeavesTheOtherNamesOfTheOldOneAlone) {
  put("old", "mine");
  fs::create_hard_link(at("old"), at("second"));
  OutputFile(at("second")).write("new");
  EXPECT_EQ(read_text(at("old")), "mine");
  EXPECT_EQ(read_text(at("second")), "new");
}

TEST_F(DescriptorTest, NothingIsWrittenThroughALinkOrAPipe) {
  put("victim", "mine");
  link("link", "victim");
  link("nowhere", "made");
  pipe("pipe");
  fs::create_directory(at("folder"));
  for (const char* name : {"link", "nowhere", "pipe", "folder"})
    for (const auto open : {open_new, open_own})
      expect_refusal(ErrorCode::kUsage, "is not written over", [&] { open(at(name)); });
  EXPECT_EQ(read_text(at("victim")), "mine");
  EXPECT_FALSE(is_there(at("made")));
  fs::create_hard_link(at("victim"), at("second"));
  expect_refusal(ErrorCode::kUsage, "a second name", [&] { open_own(at("second")); });
}

TEST_F(DescriptorTest, OneAtATimeHoldsALock) {
  const std::optional<OpenedFile> first = open_locked(at("lock"));
  ASSERT_TRUE(first);
  EXPECT_FALSE(open_locked(at("lock")));
}

TEST_F(DescriptorTest, AnUnnamedFileLeavesNothingInItsFolder) {
  const Descriptor file = open_unnamed(folder_.path());
  EXPECT_GE(file.get(), 0);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  EXPECT_LT(open_unnamed(at("missing")).get(), 0);
}

}  // namespace
}  // namespace quern
