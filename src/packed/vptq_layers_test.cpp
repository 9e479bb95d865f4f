// Folders of the vptq package (tools/make_packed_fixtures.py).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path stored() { return fs::path(QUERN_TESTDATA) / "packed" / "vptq"; }

// A copy without the expected values, which are no part of the checkpoint.
fs::path copy(const ScratchFolder& scratch) {
  const fs::path copied = scratch.copy(stored());
  fs::remove(copied / "expected.safetensors");
  return copied;
}

std::vector<std::byte> bytes_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  std::vector<std::byte> bytes(entry.parts.at(0).bytes);
  checkpoint.read(entry, 0, 0, bytes);
  return bytes;
}

// A copy one of whose texts is replaced by another of the same length.
fs::path damaged(const ScratchFolder& scratch, const char* file, const std::string& from, const std::string& to) {
  const fs::path folder = copy(scratch);
  std::string bytes = text_of_file(folder / file);
  EXPECT_EQ(from.size(), to.size());
  const std::size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) bytes.replace(at, from.size(), to);
  OutputFile(folder / file).write(bytes);
  return folder;
}

TEST(Vptq, ReadsAsItsPackageDecodes) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(copy(scratch)),
                   expected = open_checkpoint(stored() / "expected.safetensors");
  EXPECT_EQ(checkpoint.tensors().size(), expected.tensors().size() + 1);  // and the norm
  for (const TensorEntry& wanted : expected.tensors()) {
    const TensorEntry& entry = checkpoint.at(wanted.name);
    EXPECT_EQ(entry.shape, wanted.shape) << wanted.name;
    EXPECT_EQ(entry.encoding, wanted.encoding) << wanted.name;
    EXPECT_TRUE(bytes_of(checkpoint, entry) == bytes_of(expected, wanted)) << wanted.name;
  }
  EXPECT_FALSE(checkpoint.notes().empty());
}

TEST(Vptq, AnyRunOfBytesCanBeRead) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(copy(scratch));
  for (const TensorEntry& entry : checkpoint.tensors()) {
    const std::vector<std::byte> whole = bytes_of(checkpoint, entry);
    for (std::size_t first = 0; first < whole.size(); first = first * 3 / 2 + 5)
      for (const std::size_t count : {std::size_t{1}, std::size_t{7}, whole.size() - first}) {
        if (count > whole.size() - first) continue;
        std::vector<std::byte> run(count);
        checkpoint.read(entry, 0, first, run);
        ASSERT_TRUE(std::equal(run.begin(), run.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)))
            << entry.name << " " << first << " " << count;
      }
  }
}

TEST(Vptq, ItsLengthsAreInTheConfiguration) {
  const ScratchFolder scratch;
  const fs::path folder = copy(scratch);
  OutputFile(folder / "config.json").write(R"({"model_type": "toy"})");
  expect_refused(folder, {"VPTQ", "indices", "config_for_layers", "config.json"});
}

TEST(Vptq, DamageNamesTheTensorAndTheNumbers) {
  const auto refused = [](const char* file, const std::string& from, const std::string& to,
                          std::initializer_list<std::string_view> parts) {
    const ScratchFolder scratch;
    expect_refused(damaged(scratch, file, from, to), parts);
  };
  refused("model.safetensors", "residual.res_centroids", "residual.res_centroidz", {"res_centroids", "missing"});
  refused("model.safetensors", "whole.weight_bias", "whole.weight_biaz", {"whole.weight_bias", "missing"});
  refused("config.json", "\"group_size\": 40", "\"group_size\": 41", {"plain.indices", "plain"});
  refused("config.json", "\"in_features\": 40", "\"in_features\": 39", {"plain", "39", "40"});
  refused("config.json", "\"group_num\": 1", "\"group_num\": 0", {"plain", "groups"});
}

// What 16 bits hold, and the codebook does not.
TEST(Vptq, AnIndexOutsideItsCodebookIsRefused) {
  const ScratchFolder scratch;
  const fs::path folder = copy(scratch);
  std::string bytes = text_of_file(folder / "model.safetensors");
  const std::size_t header =
      static_cast<std::size_t>(load<std::uint64_t>(reinterpret_cast<const std::byte*>(bytes.data())));
  const Json table = parse_json(std::string_view(bytes).substr(8, header));
  const std::uint64_t at = table.at("words.indices").at("data_offsets").as_array()[0].as_uint64();
  bytes[8 + header + at] = bytes[8 + header + at + 1] = '\xff';
  OutputFile(folder / "model.safetensors").write(bytes);
  const Checkpoint checkpoint = open_checkpoint(folder);
  try {
    bytes_of(checkpoint, checkpoint.at("words.weight"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("index 65535"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace quern
