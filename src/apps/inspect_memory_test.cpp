// What inspecting takes in memory, as JSON and as text: a few times the header, whatever it lists.
#include "apps/inspect.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/large_header_fixture.h"

namespace quern {
namespace {

void inspect_all(const std::filesystem::path& path) {
  const Inspection inspection = inspect_checkpoint(path);
  const TakeText drop = [](std::string_view) {};
  write_json(inspection, 1, drop);
  EXPECT_FALSE(describe(inspection).empty());
  describe_tensors(inspection, drop);
}

TEST(InspectMemory, IsAtMostFourTimesTheHeader) {
  constexpr std::size_t kTensors = 100'000;
  struct Case {
    const char* file;
    std::string header;
    std::size_t columns;
  };
  Case cases[] = {{"a.safetensors", large_safetensors_header(kTensors, 32, block_name), 32},
                  {"b.safetensors", large_safetensors_header(kTensors, 0, block_name), 0},
                  {"b.gguf", large_gguf_header(kTensors, 0, 1), 0}};
  const ScratchFolder scratch;
  scratch.write("small.gguf", large_gguf_header(10, 0, 1));
  inspect_all(scratch.path() / "small.gguf");  // what every inspection takes
  for (Case& each : cases) {
    const auto bytes = static_cast<double>(each.header.size());
    write_with_header(scratch.path() / each.file, each.header, 2 * each.columns * kTensors);
    each.header = {};
    const double peak = peak_bytes([&] { inspect_all(scratch.path() / each.file); });
    if (peak < 0) GTEST_SKIP() << "the peak of a process is not told here";
    EXPECT_LE(peak / bytes, 4) << each.file;
  }
}

}  // namespace
}  // namespace quern
