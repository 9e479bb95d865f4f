// Our encoders against llama.cpp's: never a larger weighted squared error. Its errors on the fixtures are recorded
// (tools/make_codec_fixtures.py); with QUERN_COMPARE_DIR set by tools/compare_encoders.py a larger comparison is
// printed.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/scalars.h"
#include "base/sha256.h"
#include "codec/packed_tensor.h"

namespace quern {
namespace {

using Path = std::filesystem::path;

template <typename T>
std::vector<T> read_all(const Path& path) {
  const File file(path);
  std::vector<T> out(file.size() / sizeof(T));
  file.read(0, std::as_writable_bytes(std::span(out)));
  return out;
}

// The rows of a comma-separated file behind its header.
std::vector<std::vector<std::string>> read_table(const Path& path) {
  std::istringstream text(read_text(path));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  rows.erase(rows.begin());
  return rows;
}

double decoded_error(const Codec& codec, std::span<const std::byte> blocks, std::span<const float> weights,
                     std::size_t cols, std::span<const float> importance) {
  double sum = 0;
  std::vector<float> decoded(cols);
  for (std::size_t i = 0; i * cols < weights.size(); ++i) {
    decode_row(codec, {blocks.data() + i * codec.row_bytes(cols)}, decoded);
    for (std::size_t k = 0; k < cols; ++k) {
      const double error = static_cast<double>(weights[i * cols + k]) - decoded[k];
      sum += (importance.empty() ? 1.0 : importance[k]) * error * error;
    }
  }
  return sum;
}

void encode_all(const Codec& codec, std::span<const float> weights, std::size_t cols, std::span<const float> importance,
                PackedTensor& out) {
  for (std::size_t i = 0; i * cols < weights.size(); ++i)
    encode_row(codec, weights.subspan(i * cols, cols), importance, out.row(i));
}

TEST(EncoderErrors, AreAtMostThoseOfLlamaCpp) {
  const Path folder = QUERN_TESTDATA "/codec";
  const auto columns = read_all<float>(folder / "importance.f32");
  const auto rows = read_table(folder / "llama_cpp_errors.csv");
  ASSERT_EQ(rows.size(), 230u);
  for (const auto& row : rows) {
    const Codec& codec = *find_codec(row[0]);
    std::vector<float> weights;
    for (const std::uint16_t half : read_all<std::uint16_t>(folder / (row[1] + ".f16")))
      weights.push_back(f16_to_f32(half));
    PackedTensor out(codec, {weights.size() / columns.size(), columns.size()});
    const auto importance = row[2] == "none" ? std::span<const float>() : std::span(columns);
    encode_all(codec, weights, columns.size(), importance, out);
    const double ratio = decoded_error(codec, out.plane(0), weights, columns.size(), importance) / std::stod(row[3]);
    EXPECT_LE(ratio, 0.985) << row[0] << " " << row[1] << " " << row[2];
    // For ternary codes llama.cpp takes the scale of the largest weight, which sends nearly all others to 0; for grids
    // of eight weights it looks for scales near that, which does not suit heavy tails.
    EXPECT_GT(ratio, row[0].starts_with("tq")    ? 0.25
                     : row[0].starts_with("iq2") ? 0.4
                                                 : 0.5)
        << "too good to be true: " << row[0] << " " << row[1] << " " << row[2];
  }
}

std::string hash_of_encoded_fixtures(const Codec& codec) {
  const Path folder = QUERN_TESTDATA "/codec";
  const auto columns = read_all<float>(folder / "importance.f32");
  Sha256 hash;
  for (const char* source : {"gaussian", "student-5", "student-3", "llama-30m", "llama-7m"}) {
    std::vector<float> weights;
    for (const auto half : read_all<std::uint16_t>(folder / fmt::format("{}.f16", source)))
      weights.push_back(f16_to_f32(half));
    for (const auto& importance : {std::span<const float>(), std::span<const float>(columns)}) {
      const std::size_t cols = columns.size();
      const RowLayout layout{weights.size() / cols, cols};
      const bool needs_whole = codec.is_measured() || codec.train;
      PackedTensor out = needs_whole ? encode_tensor(codec, {weights.data(), layout.rows, cols, cols}, importance)
                                     : PackedTensor(codec, layout);
      if (!needs_whole) encode_all(codec, weights, cols, importance, out);
      for (std::size_t p = 0; p < codec.planes.size(); ++p) hash.update(out.plane(p));
    }
  }
  return hash.hex();
}

// The same bytes from every compiler and on every machine: recorded hashes, one line a codec. A line changes when a
// search is changed on purpose.
TEST(EncoderBytes, AreTheSameEverywhere) {
  std::string found;
  for (const Codec* codec : codecs()) found += fmt::format("{},{}\n", codec->name, hash_of_encoded_fixtures(*codec));
  for (const auto& row : read_table(QUERN_TESTDATA "/codec/encoder_hashes.csv")) {
    ASSERT_EQ(row.size(), 2u);
    const std::string line = fmt::format("{},{}\n", row[0], row[1]);
    const std::size_t at = found.find(line);
    EXPECT_NE(at, std::string::npos) << row[0] << " encodes to other bytes, or is gone";
    if (at != std::string::npos) found.erase(at, line.size());
  }
  EXPECT_EQ(found, "") << "not recorded";
}

TEST(EncoderComparison, PrintsATable) {
  const char* name = std::getenv("QUERN_COMPARE_DIR");
  if (!name) GTEST_SKIP() << "run by tools/compare_encoders.py";
  const Path folder = name;
  const auto columns = read_all<float>(folder / "importance.f32");
  fmt::print(
      "| type | weights | importance | squared error / llama.cpp's | Mweights/s | llama.cpp "
      "|\n|---|---|---|---|---|---|\n");
  for (const auto& row : read_table(folder / "cases.csv")) {
    const Codec& codec = *find_codec(row[0]);
    const std::size_t cols = std::stoul(row[4]);
    const auto weights = read_all<float>(folder / (row[1] + ".f32"));
    const auto blocks = read_all<std::byte>(folder / fmt::format("{}.{}.{}.blocks", row[0], row[1], row[2]));
    const auto importance = row[2] == "none" ? std::span<const float>() : std::span(columns);
    PackedTensor out(codec, {weights.size() / cols, cols});
    const auto start = std::chrono::steady_clock::now();
    encode_rows(codec, {weights.data(), weights.size() / cols, cols, cols}, importance, out.row(0));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double ratio = decoded_error(codec, out.plane(0), weights, cols, importance) /
                         decoded_error(codec, blocks, weights, cols, importance);
    fmt::print("| {} | {} | {} | {:.4f} | {:.1f} | {:.1f} |\n", row[0], row[1], row[2], ratio,
               1e-6 * static_cast<double>(weights.size()) / seconds.count(),
               1e-6 * static_cast<double>(weights.size()) / std::stod(row[5]));
    EXPECT_LE(ratio, 1.0);
  }
}

}  // namespace
}  // namespace quern
