// Tensors that lie in planes: put together by their names, and refused when a plane is missing or cannot be one.
#include "packed/plane_types.h"

#include <gtest/gtest.h>

#include <functional>

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "format/safetensors.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "a.weight";
const std::vector<std::uint64_t> kPartBytes = {10, 8 * 4, 7};  // rows, offsets of 3 rows, table

CheckpointHead head_of(std::vector<TensorSpec> tensors) {
  CheckpointHead head;
  head.config = Json::object({{"model_type", "none"}});
  head.tensors = std::move(tensors);
  return head;
}

std::vector<std::byte> ramp(std::uint64_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t k = 0; k < bytes.size(); ++k) bytes[k] = static_cast<std::byte>(k * 7);
  return bytes;
}

void write(const fs::path& folder, const CheckpointHead& head) {
  const auto writer = find_format("safetensors").create(folder, head);
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p)
      writer->write(t, p, 0, ramp(head.tensors[t].part_bytes[p]));
  writer->finish();
}

void expect_refused(const fs::path& path, const std::string& part) {
  try {
    open_checkpoint(path);
    ADD_FAILURE() << "opened; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

class Planes : public testing::Test {
 protected:
  const ScratchFolder scratch;
  const std::string encoding{plane_encodings()[0].name};

  // The file with a name in its header replaced by one of the same length.
  void rename(const std::string& from, const std::string& to) const {
    std::string bytes = read_text(scratch.path() / "model.safetensors");
    const std::size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    scratch.write("model.safetensors", bytes.replace(at, from.size(), to));
  }
};

TEST_F(Planes, ComeBackAsOneTensor) {
  write(scratch.path(), head_of({{kName, {3, 5}, encoding, kPartBytes}, {"b", {4}, "f32", {16}}}));
  const Checkpoint read = open_checkpoint(scratch.path());
  ASSERT_EQ(read.tensors().size(), 2u);
  const TensorEntry& entry = read.at(kName);
  EXPECT_EQ(entry.shape, (Shape{3, 5}));
  EXPECT_EQ(entry.encoding, encoding);
  ASSERT_EQ(entry.parts.size(), kPartBytes.size());
  for (std::size_t p = 0; p < kPartBytes.size(); ++p) {
    std::vector<std::byte> bytes(entry.parts[p].bytes);
    read.read(entry, p, 0, bytes);
    EXPECT_EQ(bytes, ramp(kPartBytes[p]));
  }
  EXPECT_EQ(read.config().at("quantization_config").at("quant_method").as_string(), "quern");
  EXPECT_EQ(read.at("b").encoding, "f32");
}

TEST_F(Planes, StandWithoutAConfiguration) {
  write(scratch.path(), head_of({{kName, {3, 5}, encoding, kPartBytes}}));
  EXPECT_EQ(open_checkpoint(scratch.path() / "model.safetensors").at(kName).encoding, encoding);
}

TEST_F(Planes, AreAsLargeAsTheirHeadSays) {
  const CheckpointHead head = head_of({{kName, {3, 5}, encoding, kPartBytes}});
  write(scratch.path(), head);
  std::uint64_t bytes = 0;
  for (const auto& file : fs::directory_iterator(scratch.path())) bytes += file.file_size();
  EXPECT_EQ(find_format("safetensors").file_bytes(head), bytes);
}

TEST_F(Planes, ThatAreMissingAreNamed) {
  for (const char* plane : {".rows", ".offsets", ".table", ".shape"}) {
    const std::string name = std::string(kName) + "." + encoding + plane;
    write(scratch.path(), head_of({{kName, {3, 5}, encoding, kPartBytes}}));
    std::string other = name;
    other.back() = 'z';
    rename(name, other);
    expect_refused(scratch.path(), name + " is missing");
    fs::remove(scratch.path() / "model.safetensors");
  }
}

TEST_F(Planes, OfAnotherKindOrSizeAreRefused) {
  write(scratch.path(), head_of({{kName, {4, 5}, encoding, kPartBytes}}));  // offsets of 3 rows
  expect_refused(scratch.path(), "32 bytes, but 4 rows");
  fs::remove(scratch.path() / "model.safetensors");
  write(scratch.path(), head_of({{kName, {3, 5}, encoding, kPartBytes}}));
  rename("\"U8\"", "\"I8\"");
  expect_refused(scratch.path(), "but one axis of u8 was expected");
}

TEST_F(Planes, StoredTwiceAreRefused) {
  write(scratch.path(), head_of({{kName, {3, 5}, encoding, kPartBytes}, {kName, {4}, "f32", {16}}}));
  expect_refused(scratch.path(), "stored twice");
}

}  // namespace
}  // namespace quern
