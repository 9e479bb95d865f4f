// What opening takes in memory: a stranger's header of 100 MB must not take gigabytes.
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "format/large_header_fixture.h"

namespace quern {
namespace {

struct Case {
  const char* file;
  std::string header;
  std::size_t tensors, columns;
};

TEST(HeaderMemory, IsAtMostFourTimesItsBytes) {
  const ScratchFolder scratch;
  constexpr std::size_t kTensors = 200'000;
  Case cases[] = {{"a.safetensors", large_safetensors_header(kTensors, 32, block_name), kTensors, 32},
                  {"b.safetensors", large_safetensors_header(kTensors, 0, block_name), kTensors, 0},
                  {"c.safetensors", large_safetensors_header(kTensors, 0, short_name), kTensors, 0},
                  {"a.gguf", large_gguf_header(kTensors, 32, 1), kTensors, 32},
                  {"b.gguf", large_gguf_header(kTensors, 0, 1), kTensors, 0},
                  {"c.gguf", large_gguf_header(1, 32, 1'000'000), 1, 32}};
  for (Case& each : cases) {
    const auto bytes = static_cast<double>(each.header.size());
    write_with_header(scratch.path() / each.file, each.header, 2 * each.columns * each.tensors);
    each.header = {};
    const double peak = peak_bytes(
        [&] { EXPECT_EQ(open_checkpoint(scratch.path() / each.file).tensors().size(), each.tensors) << each.file; });
    if (peak < 0) GTEST_SKIP() << "the peak of a process is not told here";
    EXPECT_LE(peak / bytes, 4) << each.file;
  }
}

TEST(HeaderMemory, PairsHaveALimit) {
  std::string header = "GGUF";
  put_scalar<std::uint32_t>(header, 3);
  put_scalar<std::uint64_t>(header, 0);
  put_scalar<std::uint64_t>(header, 65537);
  header.resize(2'000'000, '\0');
  const ScratchFolder scratch;
  scratch.write("a.gguf", header);
  expect_refused(scratch.path() / "a.gguf", {"65537 metadata pairs", "65536"});
}

TEST(HeaderMemory, NamesHaveALimit) {
  const ScratchFolder scratch;
  std::string header;
  put_text(header, "{\"" + std::string(65536, 'a') + "\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[0,0]}}");
  scratch.write("a.safetensors", header);
  expect_refused(scratch.path() / "a.safetensors", {"a name of 65536 bytes"});
}

TEST(HeaderMemory, TensorsHaveALimit) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  const ScratchFolder scratch;
  std::string header = "GGUF";
  put_scalar<std::uint32_t>(header, 3);
  put_scalar<std::uint64_t>(header, kMost + 1);
  put_scalar<std::uint64_t>(header, 0);
  header.resize(30 * kMost, '\0');
  scratch.write("a.gguf", header);
  expect_refused(scratch.path() / "a.gguf", {"1048577 tensors", "1048576"});
  std::string json = "{";
  for (std::size_t i = 0; i <= kMost; ++i)
    json += fmt::format("{}\"{}\":{{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[0,0]}}", i ? "," : "", i);
  header.clear();
  put_text(header, json + "}");
  scratch.write("a.safetensors", header);
  expect_refused(scratch.path() / "a.safetensors", {"more tensors", "1048576"});
}

}  // namespace
}  // namespace quern
