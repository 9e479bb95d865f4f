// llama.cpp's older importance matrix, written by tools/make_calib_fixtures.py, against the GGUF file that it was made
// from; and files that end early or hold what cannot be.
#include "calib/legacy_imatrix.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "calib/statistics.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path fixture_file(const char* name) { return fs::path(QUERN_TESTDATA) / "calib" / name; }

std::string refusal(const fs::path& path) {
  try {
    read_legacy_imatrix(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  return "none";
}

TEST(LegacyImatrix, SaysWhatTheGgufFormSays) {
  const Checkpoint checkpoint = open_checkpoint(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap names = map_to_gguf(spec, checkpoint);
  const Statistics older = read_statistics(fixture_file("llama-7m-imatrix8.dat"), spec, names),
                   newer = read_statistics(fixture_file("llama-7m-imatrix8.gguf"), spec, names);
  EXPECT_EQ(older.windows, newer.windows);
  EXPECT_EQ(older.window_length, newer.window_length);
  EXPECT_EQ(older.text_name, "calib.txt");
  EXPECT_EQ(text_of_statistics(fixture_file("llama-7m-imatrix8.dat")), "calib.txt");
  ASSERT_EQ(older.groups.size(), newer.groups.size());
  for (const auto& [group, of_group] : newer.groups) {
    const InputMoments &a = older.groups.at(group).experts.at(0), &b = of_group.experts.at(0);
    EXPECT_EQ(a.tokens, b.tokens);
    ASSERT_EQ(a.mean_square.size(), b.mean_square.size());
    for (std::size_t c = 0; c < b.mean_square.size(); ++c)
      EXPECT_NEAR(a.mean_square[c], b.mean_square[c], 1e-6 * b.mean_square[c]) << group;
  }
}

TEST(LegacyImatrix, TheFirstVersionsEndBehindTheEntries) {
  const ScratchFolder scratch;
  const std::string whole = read_text(fixture_file("llama-7m-imatrix8.dat"));
  const fs::path path = scratch.write("old.dat", whole.substr(0, whole.size() - 8 - std::string("calib.txt").size()));
  EXPECT_TRUE(is_legacy_imatrix(path));
  const LegacyImatrix matrix = read_legacy_imatrix(path);
  EXPECT_EQ(matrix.entries.size(), 42u);
  EXPECT_EQ(matrix.chunks, 0u);
  EXPECT_EQ(matrix.dataset, "");
}

TEST(LegacyImatrix, WhatEndsEarlyOrCannotBeIsRefused) {
  const ScratchFolder scratch;
  const std::string whole = read_text(fixture_file("llama-7m-imatrix8.dat"));
  for (const std::size_t size : {6u, 20u, 33u, 500u, 40000u})
    EXPECT_NE(refusal(scratch.write("cut.dat", whole.substr(0, size))).find("it is cut short"), std::string::npos)
        << size;
  for (const std::size_t at : {0u, 4u, 27u, 31u}) {  // entries, letters, chunks, values
    std::string damaged = whole;
    damaged[at + 3] = '\xff';
    EXPECT_NE(refusal(scratch.write("damaged.dat", damaged)).find("it says -"), std::string::npos) << at;
  }
}

TEST(LegacyImatrix, OtherFilesAreNone) {
  const ScratchFolder scratch;
  EXPECT_FALSE(is_legacy_imatrix(fixture_file("llama-7m-imatrix8.gguf")));
  EXPECT_FALSE(is_legacy_imatrix(scratch.write("text.dat", "no matrix at all, and no number in front")));
  EXPECT_FALSE(is_legacy_imatrix(scratch.write("empty.dat", "")));
  EXPECT_FALSE(is_legacy_imatrix(scratch.path() / "not-there.dat"));
}

}  // namespace
}  // namespace quern
