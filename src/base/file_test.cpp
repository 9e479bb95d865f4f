// Files that are missing, short or not files, and the folder that appears whole or not at all.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <vector>

#include "base/output_path.h"
#include "quern/error.h"

namespace quern {
namespace {
namespace fs = std::filesystem;
using Existing = OutputFolder::Existing;
using Unfinished = OutputFolder::Unfinished;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            ("quern_file_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path put(const fs::path& name, std::string_view text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
    return root_ / name;
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  static void publish_empty(const fs::path& target) {
    OutputFolder folder(target, Existing::kReplace);
    fs::create_directory(folder.path() / "done");
    folder.publish("done");
  }

  fs::path root_;
};

using Names = std::vector<std::string>;

template <typename Body>
void expect_error(ErrorCode code, std::string_view part, Body&& body) {
  try {
    body();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST_F(FileTest, AnOutputBehindALinkIsWrittenWhereTheLinkLeads) {
  fs::create_directories(root_ / "disk" / "out");
  fs::create_directory_symlink(root_ / "disk" / "out", root_ / "link");
  const fs::path real = fs::canonical(root_ / "disk" / "out");
  EXPECT_EQ(output_folder_path(root_ / "link" / ""), real);
  {
    OutputFolder folder(root_ / "link", Existing::kRefuse);
    EXPECT_EQ(folder.path(), real.string() + ".partial");
    fs::create_directory(folder.path() / "made");
    OutputFile(folder.path() / "made" / "a").write("new");
    folder.publish("made");
  }
  EXPECT_TRUE(fs::is_symlink(root_ / "link"));
  EXPECT_EQ(read_text(real / "a"), "new");
  fs::create_directory_symlink(root_ / "nowhere", root_ / "broken");
  expect_error(ErrorCode::kUsage, "nowhere, which is not there",
               [&] { OutputFolder(root_ / "broken", Existing::kReplace); });
  EXPECT_TRUE(fs::is_symlink(root_ / "broken"));
}

TEST_F(FileTest, ReadsAtAnyPosition) {
  const File file(put("a", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  std::string out(4, ' ');
  file.read(6, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "6789");
  file.read(10, {});
}

TEST_F(FileTest, AShortFileIsNamedWithItsSize) {
  const File file(put("a", "0123456789"));
  std::string out(4, ' ');
  const auto bytes = std::as_writable_bytes(std::span(out));
  expect_error(ErrorCode::kInput, "ends at byte 10, but 4 bytes at 7 were expected", [&] { file.read(7, bytes); });
  expect_error(ErrorCode::kInput, "ends at byte 10", [&] { file.read(UINT64_MAX - 1, bytes); });
}

TEST_F(FileTest, AFileThatShrinksWhileItIsOpenIsAnError) {
  const File file(put("a", "0123456789"));
  fs::resize_file(root_ / "a", 5);
  std::string out(10, ' ');
  expect_error(ErrorCode::kInput, "ends at byte", [&] { file.read(0, std::as_writable_bytes(std::span(out))); });
}

TEST_F(FileTest, WhatIsNotARegularFileIsRefused) {
  expect_error(ErrorCode::kInput, "No such file", [&] { File(root_ / "missing"); });
  expect_error(ErrorCode::kInput, "not a regular file", [&] { File{root_}; });
  ASSERT_EQ(mkfifo((root_ / "pipe").c_str(), 0600), 0);
  expect_error(ErrorCode::kInput, "not a regular file", [&] { File(root_ / "pipe"); });
}

TEST_F(FileTest, AStampTellsWhetherAFileWasWritten) {
  const fs::path path = put("a", "0123456789");
  const std::string stamp = file_stamp(path);
  read_text(path);
  EXPECT_EQ(file_stamp(path), stamp);
  const auto time = fs::last_write_time(path);
  do {  // until the clock of the file system has gone on
    put("a", "0123456780");
    fs::last_write_time(path, time);
  } while (file_stamp(path) == stamp && std::chrono::file_clock::now() < time + std::chrono::seconds(5));
  EXPECT_NE(file_stamp(path), stamp) << "same size, same time of writing";
  EXPECT_THROW(file_stamp(root_ / "missing"), Error);
}

TEST_F(FileTest, ReadTextHasALimit) {
  const fs::path path = put("a", "0123456789");
  EXPECT_EQ(read_text(path), "0123456789");
  EXPECT_EQ(read_text(path, 10), "0123456789");
  expect_error(ErrorCode::kInput, "10 bytes, more than the 9", [&] { read_text(path, 9); });
  EXPECT_EQ(read_text(put("empty", "")), "");
}

TEST_F(FileTest, WritesAreInOrderAndCanBePatched) {
  OutputFile file(root_ / "a");
  file.write("hello ");
  file.write("world");
  file.write_at(0, std::as_bytes(std::span("J", 1)));
  EXPECT_EQ(file.position(), 11u);
  file.finish();
  EXPECT_EQ(read_text(root_ / "a"), "Jello world");
  expect_error(ErrorCode::kResource, "cannot write", [&] { OutputFile(root_ / "no" / "folder"); });
}

TEST_F(FileTest, AFileThatIsKeptCanBeCutAndGoesOn) {
  put("a", "hello world");
  OutputFile file(root_ / "a", OutputFile::Content::kKeep);
  EXPECT_EQ(file.position(), 11u);
  file.truncate(5);
  file.write("!");
  file.sync();
  EXPECT_EQ(read_text(root_ / "a"), "hello!");
}

TEST_F(FileTest, AFileBeyondTheLimitIsAnError) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorCode::kResource, "File too large", [&] {
    OutputFile file(root_ / "a");
    for (int i = 0; i < 5; ++i) file.write("12345");
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(fs::file_size(root_ / "a"), 16u);
}

TEST_F(FileTest, ACopyHasTheSameBytes) {
  copy_whole_file(put("a", "0123456789"), root_ / "b");
  EXPECT_EQ(read_text(root_ / "b"), "0123456789");
  EXPECT_EQ(size_of_file(root_ / "b"), 10u);
  expect_error(ErrorCode::kInput, "No such file", [&] { size_of_file(root_ / "c"); });
}

TEST_F(FileTest, ANewFileTouchesNobodyElsesPartial) {
  put("out.partial", "mine");
  expect_error(ErrorCode::kUsage, "was not left by quern", [&] { NewFile(root_ / "out"); });
  EXPECT_EQ(read_text(root_ / "out.partial"), "mine");
  put("victim", "");
  fs::create_symlink("victim", root_ / "link.partial");
  expect_error(ErrorCode::kUsage, "is a link", [&] { NewFile(root_ / "link"); });
  EXPECT_EQ(read_text(root_ / "victim"), "");
  put("other.partial", "");  // as a run leaves it that was ended
  NewFile(root_ / "other").publish("new");
  EXPECT_EQ(read_text(root_ / "other"), "new");
  EXPECT_EQ(entries(), (Names{"link.partial", "other", "out.partial", "victim"}));
}

TEST_F(FileTest, ANewFileTakesNoNameThatAppearedMeanwhile) {
  {
    NewFile file(root_ / "out");
    expect_error(ErrorCode::kUsage, "another run is writing", [&] { NewFile(root_ / "out"); });
    put("out", "mine");
    expect_error(ErrorCode::kUsage, "has appeared", [&] { file.publish("new"); });
  }
  EXPECT_EQ(read_text(root_ / "out"), "mine");
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(FileTest, APartialFolderThatQuernDidNotMakeIsRefused) {
  put("home/diary", "mine");
  fs::create_directory_symlink("home", root_ / "link.partial");
  put("home/.quern-lock", "");
  put("file.partial", "mine");
  put("folder.partial/diary", "mine");
  fs::create_directories(root_ / "locked.partial");
  fs::create_symlink(root_ / "made", root_ / "locked.partial" / ".quern-lock");
  for (const Unfinished unfinished : {Unfinished::kRemove, Unfinished::kKeep})
    for (const char* name : {"link", "file", "folder", "locked"})
      expect_error(ErrorCode::kUsage, "was not left by quern",
                   [&] { OutputFolder(root_ / name, Existing::kRefuse, unfinished); });
  EXPECT_EQ(read_text(root_ / "home" / "diary"), "mine");
  EXPECT_EQ(read_text(root_ / "folder.partial" / "diary"), "mine");
  EXPECT_EQ(read_text(root_ / "file.partial"), "mine");
  EXPECT_FALSE(fs::exists(root_ / "made"));
}

TEST_F(FileTest, WorkThatIsKeptHasNoLinks) {
  put("victim/a.txt", "mine");
  put("out.partial/.quern-lock", "");
  put("out.partial/trial/b.txt", "work");
  fs::create_directory_symlink(root_ / "victim", root_ / "out.partial" / "trial" / "c");
  expect_error(ErrorCode::kUsage, "trial/c is a link, which quern never makes",
               [&] { OutputFolder(root_ / "out", Existing::kRefuse, Unfinished::kKeep); });
  EXPECT_EQ(read_text(root_ / "out.partial" / "trial" / "b.txt"), "work");
  {
    const OutputFolder folder(root_ / "out", Existing::kRefuse);
  }
  EXPECT_EQ(read_text(root_ / "victim" / "a.txt"), "mine");
  EXPECT_EQ(entries(), Names{"victim"});
}

TEST_F(FileTest, AFolderAppearsOnlyWhenItIsPublished) {
  const fs::path target = root_ / "out";
  OutputFolder folder(target, Existing::kRefuse);
  put("out.partial/done/a.txt", "new");
  put("out.partial/scratch.bin", "work");
  EXPECT_FALSE(fs::exists(target));
  folder.publish("done");
  EXPECT_EQ(read_text(target / "a.txt"), "new");
  EXPECT_FALSE(fs::exists(target / "scratch.bin"));
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(FileTest, AFolderThatIsNeverPublishedLeavesNothing) {
  {
    const OutputFolder folder(root_ / "out", Existing::kRefuse);
    put("out.partial/done/a.txt", "new");
  }
  EXPECT_EQ(entries(), Names{});
}

TEST_F(FileTest, AFolderThatIsKeptIsFoundAgain) {
  for (const char* text : {"first", "second"}) {
    OutputFolder folder(root_ / "out", Existing::kRefuse, Unfinished::kKeep);
    EXPECT_EQ(folder.had_unfinished(), std::string(text) == "second");
    put("out.partial/a.txt", text);
    folder.when_unpublished(Unfinished::kKeep);
  }
  EXPECT_EQ(read_text(root_ / "out.partial" / "a.txt"), "second");
  OutputFolder folder(root_ / "out", Existing::kRefuse, Unfinished::kKeep);
  folder.when_unpublished(Unfinished::kRemove);
  EXPECT_EQ(read_text(root_ / "out.partial" / "a.txt"), "second");
}

TEST_F(FileTest, TwoAtATimeAreRefused) {
  const OutputFolder folder(root_ / "out", Existing::kRefuse);
  put("out.partial/a.txt", "work");
  for (const Unfinished unfinished : {Unfinished::kRemove, Unfinished::kKeep})
    expect_error(ErrorCode::kUsage, "another run is writing",
                 [&] { OutputFolder(root_ / "out", Existing::kRefuse, unfinished); });
  EXPECT_EQ(read_text(root_ / "out.partial" / "a.txt"), "work");
}

TEST_F(FileTest, ATrailingSlashNamesTheSameFolder) {
  publish_empty(root_ / "out/");
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(FileTest, AFolderInUseIsRefused) {
  put("out/a.txt", "old");
  expect_error(ErrorCode::kUsage, "already exists", [&] { OutputFolder(root_ / "out", Existing::kRefuse); });
  expect_error(ErrorCode::kUsage, "already exists",
               [&] { OutputFolder::check_target(root_ / "out/", Existing::kRefuse); });
  OutputFolder::check_target(root_ / "out", Existing::kReplace);
  OutputFolder::check_target(root_ / "other", Existing::kRefuse);
  put("file", "old");
  expect_error(ErrorCode::kUsage, "is a file", [&] { OutputFolder(root_ / "file", Existing::kRefuse); });
  EXPECT_EQ(entries(), (Names{"file", "out"}));
  EXPECT_EQ(read_text(root_ / "out" / "a.txt"), "old");
}

TEST_F(FileTest, AnEmptyFolderIsTaken) {
  fs::create_directories(root_ / "out");
  publish_empty(root_ / "out");
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(FileTest, ReplacingKeepsTheOldFolderUntilTheEnd) {
  put("out/old.txt", "old");
  OutputFolder folder(root_ / "out", Existing::kReplace);
  put("out.partial/done/new.txt", "new");
  EXPECT_TRUE(fs::exists(root_ / "out" / "old.txt"));
  folder.publish("done");
  EXPECT_FALSE(fs::exists(root_ / "out" / "old.txt"));
  EXPECT_EQ(read_text(root_ / "out" / "new.txt"), "new");
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(FileTest, ReplacingTouchesNobodyElsesBackup) {
  put("out/a.txt", "old");
  put("out.old/precious.txt", "mine");
  publish_empty(root_ / "out");
  EXPECT_EQ(entries(), (Names{"out", "out.old"}));
  EXPECT_EQ(read_text(root_ / "out.old" / "precious.txt"), "mine");
}

TEST_F(FileTest, WhatAnInterruptedRunLeftIsRemoved) {
  put("out.partial/half.bin", "half");
  put("out.partial/.quern-lock", "");
  publish_empty(root_ / "out");
  EXPECT_EQ(entries(), Names{"out"});
  EXPECT_TRUE(fs::is_empty(root_ / "out"));
}

TEST_F(FileTest, PublishingElsewhereLeavesTheTargetAlone) {
  put("out/a.txt", "old");
  put("out.rejected/b.txt", "older");
  OutputFolder folder(root_ / "out", Existing::kReplace);
  put("out.partial/done/c.txt", "new");
  folder.publish("done", root_ / "out.rejected");
  EXPECT_EQ(entries(), (Names{"out", "out.rejected"}));
  EXPECT_EQ(read_text(root_ / "out" / "a.txt"), "old");
  EXPECT_EQ(read_text(root_ / "out.rejected" / "c.txt"), "new");
  EXPECT_FALSE(fs::exists(root_ / "out.rejected" / "b.txt"));
}

TEST_F(FileTest, AFailedRenameBringsTheOldFolderBack) {
  {
    OutputFolder folder(root_ / "out", Existing::kReplace);
    const fs::path inside = folder.path() / "done" / "inside";  // a folder cannot be renamed into itself
    fs::create_directories(inside);
    std::ofstream(inside / "a.txt") << "old";
    expect_error(ErrorCode::kResource, "cannot rename", [&] { folder.publish("done", inside); });
    EXPECT_EQ(read_text(inside / "a.txt"), "old");
    expect_error(ErrorCode::kResource, "cannot rename", [&] { folder.publish("done", root_ / "no" / "parent"); });
  }
  EXPECT_EQ(entries(), Names{});
}

TEST_F(FileTest, AnOutputWithoutANameOfItsOwnIsRefused) {
  for (const char* name : {".", "..", "/", "", "./", "a/.."}) {
    expect_error(ErrorCode::kUsage, "does not name a new folder", [&] { OutputFolder(name, Existing::kReplace); });
  }
}

TEST_F(FileTest, AFolderThatCannotBeMadeIsAnError) {
  put("file", "x");
  expect_error(ErrorCode::kResource, "cannot create",
               [&] { OutputFolder(root_ / "file" / "out", Existing::kReplace); });
}

}  // namespace
}  // namespace quern
