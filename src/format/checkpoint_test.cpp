// The tables and the opened checkpoint, whatever its format.
#include "checkpoint/checkpoint.h"

#include <fstream>

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

TEST(Formats, AnUnknownNameOffersTheNearest) {
  try {
    find_format("ggfu");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("gguf"), std::string::npos) << error.what();
  }
  for (const Format* format : formats()) EXPECT_EQ(&find_format(format->name), format);
}

TEST(OpenCheckpoint, WhatIsNoCheckpointIsRefused) {
  const ScratchFolder folder;
  expect_refused(folder.path() / "absent", {"absent", "does not exist"});
  expect_refused(folder.path(), {"empty folder"});
  expect_refused(folder.write("notes.dat", "\1hello"), {"notes.dat", "known format", "safetensors", "gguf"});
}

// A format that is only read, and one that is only written, of files that end in their names.
const Format kReadOnly = {.name = "read-only",
                          .summary = "a file of tests",
                          .loaded_by = "nothing",
                          .probe = [](const std::filesystem::path& path) { return path.extension() == ".r"; },
                          .open =
                              [](const std::filesystem::path& path) {
                                return Checkpoint({"read-only", path, {}, {{"x", {1}, "f32", {}}}, {}, {}});
                              }};
const Format kWriteOnly = {.name = "write-only",
                           .summary = "another file of tests",
                           .loaded_by = "nothing",
                           .probe = [](const std::filesystem::path& path) { return path.extension() == ".w"; },
                           .holds = [](std::string_view encoding, std::uint64_t) { return encoding == kFloat32; },
                           .create = find_format("gguf").create,
                           .file_bytes = find_format("gguf").file_bytes};
const Format* const kOneWay[] = {&kReadOnly, &kWriteOnly};

TEST(Formats, MayBeOnlyReadOrOnlyWritten) {
  const ScratchFolder folder;
  EXPECT_EQ(open_checkpoint(folder.write("a.r", "x"), kOneWay).format(), "read-only");
  const auto message = [&](const char* name) {
    try {
      open_checkpoint(folder.write(name, "\1"), kOneWay);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message("a.w").find("a.w is write-only (another file of tests), which is written, but not read"),
            std::string::npos);
  EXPECT_NE(message("a.x").find("known format: read-only (a file of tests)"), std::string::npos) << message("a.x");
  EXPECT_EQ(message("a.x").find("write-only"), std::string::npos);

  check_is_written(kWriteOnly);
  try {
    check_is_written(kReadOnly);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_STREQ(error.what(),
                 "read-only (a file of tests) is read, but not written; written are: safetensors, gguf, bitsandbytes, "
                 "vptq-package");
  }
  kWriteOnly.create(folder.path(), {.tensors = {{"y", {1}, kFloat32, {4}}}})->keep(0);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "model.gguf"));
}

TEST(Formats, EachIsReadOrWrittenAndHasWhatThatTakes) {
  for (const Format* format : formats()) {
    EXPECT_TRUE(format->is_read() || format->is_written()) << format->name;
    EXPECT_EQ(format->is_written(), format->holds && format->file_bytes && format->loader) << format->name;
    EXPECT_TRUE(format->is_read() || !format->probe) << format->name;
  }
  EXPECT_TRUE(importance_format().is_read() && importance_format().is_written());
}

TEST(OpenCheckpoint, FormatsAreKnownByTheirFirstBytes) {
  const ScratchFolder folder;
  const auto copy_as = [&](const char* from, const char* to) {
    std::filesystem::copy(fixture(from), folder.path() / to);
    return folder.path() / to;
  };
  EXPECT_EQ(open_checkpoint(copy_as("all_values.gguf", "one.bin")).format(), "gguf");
  EXPECT_EQ(open_checkpoint(copy_as("all_dtypes.safetensors", "two.bin")).format(), "safetensors");
}

TEST(Checkpoint, TensorsAreSortedAndFound) {
  const Checkpoint checkpoint = open_checkpoint(fixture("all_types.gguf"));
  for (std::size_t i = 1; i < checkpoint.tensors().size(); ++i)
    EXPECT_LT(checkpoint.tensors()[i - 1].name, checkpoint.tensors()[i].name);
  for (const TensorEntry& entry : checkpoint.tensors()) EXPECT_EQ(checkpoint.find(entry.name), &entry);
  EXPECT_EQ(checkpoint.find("no such"), nullptr);
  try {
    checkpoint.at("no such");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("all_types.gguf"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("no such"), std::string::npos);
  }
}

TEST(Checkpoint, ReadingOutsideAPartIsADefect) {
  const Checkpoint checkpoint = open_checkpoint(fixture("all_values.gguf"));
  const TensorEntry& y = checkpoint.at("y");
  std::vector<std::byte> out(2);
  checkpoint.read(y, 0, 1, out);
  EXPECT_EQ(out, (std::vector<std::byte>{std::byte{1}, std::byte{2}}));
  EXPECT_THROW(checkpoint.read(y, 0, 2, out), Error);
  EXPECT_THROW(checkpoint.read(y, 0, UINT64_MAX, out), Error);
  EXPECT_THROW(checkpoint.read(y, 1, 0, out), Error);
}

TEST(Checkpoint, AFileThatShrinksLaterIsNamedWithTheTensor) {
  const ScratchFolder folder;
  const auto path = folder.copy(fixture("all_values.gguf"));
  const Checkpoint checkpoint = open_checkpoint(path);
  std::filesystem::resize_file(path, 10);
  try {
    read_part(checkpoint, "y");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("tensor y"), std::string::npos) << error.what();
  }
}

TEST(Checkpoint, AFolderWithSeveralModelsAsksForOne) {
  for (const char* extension : {".safetensors", ".gguf"}) {
    const ScratchFolder folder;
    const auto source = fixture(std::string(extension) == ".gguf" ? "all_values.gguf" : "all_dtypes.safetensors");
    for (const char* name : {"a", "b"}) std::filesystem::copy(source, folder.path() / (std::string(name) + extension));
    expect_refused(folder.path(), {"holds 2 model files", std::string("a") + extension, "name one of them"});
  }
}

TEST(MetadataLookup, ConvertsIntegersAndRefusesOtherKinds) {
  Metadata m;
  m.set("u8", std::uint8_t{7});
  m.set("i64", std::int64_t{-9});
  m.set("u64", UINT64_MAX);
  m.set("f", 1.5f);
  m.set("b", true);
  m.set("s", std::string("x"));
  m.set("a", MetaArray{std::vector<float>{1, 2}});
  EXPECT_EQ(m.integer("u8"), 7);
  EXPECT_EQ(m.integer("i64"), -9);
  EXPECT_THROW(m.integer("u64"), Error);
  EXPECT_THROW(m.integer("f"), Error);
  EXPECT_THROW(m.integer("b"), Error);
  EXPECT_EQ(m.integer("absent"), std::nullopt);
  EXPECT_EQ(m.number("f"), 1.5);
  EXPECT_EQ(m.number("u8"), 7.0);
  EXPECT_THROW(m.number("s"), Error);
  EXPECT_EQ(m.boolean("b"), true);
  EXPECT_THROW(m.boolean("u8"), Error);
  EXPECT_EQ(m.text("s"), "x");
  EXPECT_THROW(m.text("a"), Error);
  ASSERT_NE(m.array<float>("a"), nullptr);
  EXPECT_EQ(m.array<float>("absent"), nullptr);
  EXPECT_THROW(m.array<double>("a"), Error);
  m.set("u8", std::string("replaced"));
  EXPECT_EQ(m.pairs()[0].first, "u8");
  EXPECT_EQ(m.text("u8"), "replaced");
  m.erase("u8");
  EXPECT_EQ(m.find("u8"), nullptr);
}

}  // namespace
}  // namespace quern
