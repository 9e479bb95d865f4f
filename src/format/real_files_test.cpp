// Files of other people's programs, beside the repository, against what independent readers see in them.
#include <fmt/format.h>

#include "base/json.h"
#include "base/sha256.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

// Of names, types, shapes and bytes, in the order of the names.
std::string hash_of(const Checkpoint& checkpoint) {
  Sha256 hash;
  for (const TensorEntry& entry : checkpoint.tensors()) {
    const std::string head = fmt::format("{} {} {}\n", entry.name, entry.encoding, to_string(entry.shape));
    hash.update(std::as_bytes(std::span(head)));
    hash.update(read_part(checkpoint, entry.name));
  }
  return hash.hex();
}

// By torch (tools/describe_torch_files.py); by safetensors, gguf and numpy (tools/describe_real_files.py).
TEST(RealFiles, HaveTheTensorsThatOtherProgramsSee) {
  QUERN_NEEDS_SHARED("real");
  for (const char* name : {"real_torch_files.json", "real_files.json"}) {
    const Json table = parse_json(read_text(fixture(name)));
    for (const auto& [path, expected] : table.as_object()) {
      SCOPED_TRACE(path);
      const Checkpoint checkpoint = open_checkpoint(shared_folder() / "real" / path);
      EXPECT_EQ(checkpoint.tensors().size(), expected.at("tensors").as_uint64());
      EXPECT_EQ(hash_of(checkpoint), expected.at("sha256").as_string());
    }
  }
}

// None but those of formats that no table has.
TEST(RealFiles, AreAllInATable) {
  QUERN_NEEDS_SHARED("real");
  namespace fs = std::filesystem;
  const Json torch = parse_json(read_text(fixture("real_torch_files.json"))),
             others = parse_json(read_text(fixture("real_files.json")));
  const fs::path folder = shared_folder() / "real";
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    for (const char* extension : {".pt", ".pth", ".th", ".jit", ".safetensors", ".gguf", ".npz"}) {
      const std::string name = fs::relative(entry.path(), folder).string();
      EXPECT_TRUE(entry.path().extension() != extension || torch.find(name) || others.find(name)) << name;
    }
}

}  // namespace
}  // namespace quern
