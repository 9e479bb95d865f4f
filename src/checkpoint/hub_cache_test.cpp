// Paths as the hub's cache has them, with links into its blobs.
#include "checkpoint/hub_cache.h"

#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

TEST(HubCache, NamesASnapshotByItsRepository) {
  const ScratchFolder scratch;
  const auto snapshot = [&](const char* repository) {
    const fs::path folder = scratch.path() / repository / "snapshots/c1899de289a04d12100db370d81485cdf75e47ca";
    fs::create_directories(folder);
    return folder;
  };
  const fs::path folder = snapshot("models--acme--tiny--llama");
  EXPECT_EQ(name_in_hub_cache(folder), "tiny--llama");
  EXPECT_EQ(id_in_hub_cache(folder), "acme/tiny--llama");
  EXPECT_EQ(id_in_hub_cache(snapshot("models--gpt2")), "gpt2");
  EXPECT_EQ(id_in_hub_cache(scratch.path()), std::nullopt);
  EXPECT_EQ(name_in_hub_cache(folder / ""), "tiny--llama");
  EXPECT_EQ(name_in_hub_cache(snapshot("models--gpt2")), "gpt2");
  EXPECT_EQ(name_in_hub_cache(snapshot("datasets--acme--tiny")), std::nullopt);
  EXPECT_EQ(name_in_hub_cache(scratch.path()), std::nullopt);
  scratch.write("blob", "x");
  fs::create_symlink(scratch.path() / "blob", folder / "model.safetensors");
  EXPECT_EQ(name_in_hub_cache(folder / "model.safetensors"), "tiny--llama");
  fs::create_directory_symlink(folder, scratch.path() / "current");
  EXPECT_EQ(name_in_hub_cache(scratch.path() / "current"), "tiny--llama");
}

}  // namespace
}  // namespace quern
