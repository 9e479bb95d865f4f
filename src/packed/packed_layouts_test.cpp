// What the packages of others packed reads as they decode it (tools/make_packed_fixtures.py).
#include "packed/packed_layouts.h"

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path packed(const std::string& name) { return fs::path(QUERN_TESTDATA) / "packed" / name; }

std::vector<std::byte> bytes_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  std::vector<std::byte> bytes(entry.parts.at(0).bytes);
  checkpoint.read(entry, 0, 0, bytes);
  return bytes;
}

// Every matrix has the shape, type and bytes that the package decodes to; nothing else but the norm is there.
void expect_decodes(const fs::path& folder, const fs::path& expected_file) {
  const Checkpoint checkpoint = open_checkpoint(folder), expected = open_checkpoint(expected_file);
  EXPECT_EQ(checkpoint.tensors().size(), expected.tensors().size() + 1) << folder;
  for (const TensorEntry& wanted : expected.tensors()) {
    const TensorEntry& entry = checkpoint.at(wanted.name);
    EXPECT_EQ(entry.shape, wanted.shape) << wanted.name;
    EXPECT_EQ(entry.encoding, wanted.encoding) << wanted.name;
    EXPECT_TRUE(bytes_of(checkpoint, entry) == bytes_of(expected, wanted)) << folder << " " << wanted.name;
  }
}

class PackedLayouts : public testing::TestWithParam<const char*> {
 protected:
  // A copy without the expected values, which are no part of the checkpoint.
  fs::path copy(const ScratchFolder& scratch) const {
    const fs::path copied = scratch.copy(packed(GetParam()));
    fs::remove(copied / "expected.safetensors");
    return copied;
  }
  fs::path expected() const { return packed(GetParam()) / "expected.safetensors"; }
};

TEST_P(PackedLayouts, ReadAsTheirPackagesDecodeThem) {
  const ScratchFolder scratch;
  expect_decodes(copy(scratch), expected());
}

TEST_P(PackedLayouts, AreRecognisedByTheirTensorsAlone) {
  const ScratchFolder scratch;
  const fs::path folder = copy(scratch);
  OutputFile(folder / "config.json").write(R"({"model_type": "toy"})");
  expect_decodes(folder, expected());
}

TEST_P(PackedLayouts, AreNamed) {
  const ScratchFolder scratch;
  EXPECT_FALSE(open_checkpoint(copy(scratch)).notes().empty());
}

TEST_P(PackedLayouts, AnyRunOfBytesCanBeRead) {
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

INSTANTIATE_TEST_SUITE_P(Folders, PackedLayouts,
                         testing::Values("gptq", "gptq_v2", "gptq_asymmetric", "gptq_v2_asymmetric", "gptq_bin",
                                         "auto_gptq", "awq", "fp8_block", "pack_quantized", "naive_quantized",
                                         "microscaling", "bitsandbytes", "mlx", "gpt_oss", "bitnet"),
                         [](const auto& folder) { return std::string(folder.param); });

}  // namespace
}  // namespace quern
