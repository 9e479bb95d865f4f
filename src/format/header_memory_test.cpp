// What opening takes in memory: a stranger's header of 100 MB must not take gigabytes.
#include <fmt/core.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "base/file.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

constexpr std::size_t kTensors = 200'000, kTensorBytes = 64;

// The figure of /proc/self/status in bytes.
std::uint64_t memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) {
      std::uint64_t kilobytes = 0;
      std::istringstream(line.substr(name.size() + 1)) >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

std::string name_of(std::size_t i) { return fmt::format("model.layers.{}.block.{}.weight", i / 8, i % 8); }

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

std::string safetensors_header() {
  std::string json = "{";
  for (std::size_t i = 0; i < kTensors; ++i)
    json += fmt::format("{}\"{}\":{{\"dtype\":\"F16\",\"shape\":[1,32],\"data_offsets\":[{},{}]}}", i ? "," : "",
                        name_of(i), i * kTensorBytes, (i + 1) * kTensorBytes);
  json += '}';
  std::string header;
  put_text(header, json);
  return header;
}

std::string gguf_header(std::size_t tensors, std::size_t tokens) {
  std::string header = "GGUF";
  put<std::uint32_t>(header, 3);
  put<std::uint64_t>(header, tensors);
  put<std::uint64_t>(header, 1);
  put_text(header, "tokenizer.ggml.tokens");
  put<std::uint32_t>(header, 9);
  put<std::uint32_t>(header, 8);
  put<std::uint64_t>(header, tokens);
  for (std::size_t i = 0; i < tokens; ++i) put_text(header, fmt::format("tok{}", i % 1000));
  for (std::size_t i = 0; i < tensors; ++i) {
    put_text(header, name_of(i));
    put<std::uint32_t>(header, 2);
    put<std::uint64_t>(header, 32);
    put<std::uint64_t>(header, 1);
    put<std::uint32_t>(header, 1);
    put<std::uint64_t>(header, i * kTensorBytes);
  }
  header.resize(round_up(header.size(), std::size_t{32}), '\0');
  return header;
}

// Peak of the process while the file is opened, above what it had, for each byte of the header. Negative: the system
// does not tell.
double times_the_header(const ScratchFolder& scratch, const char* name, std::string header, std::size_t tensors) {
  const double bytes = static_cast<double>(header.size());
  {
    OutputFile file(scratch.path() / name);
    file.write(header);
    file.truncate(header.size() + tensors * kTensorBytes);
  }
  header = {};
  {
    std::ofstream("/proc/self/clear_refs") << 5;
  }  // the peak counts from here
  const std::uint64_t before = memory("VmRSS");
  if (memory("VmHWM") > before + (std::uint64_t{1} << 20)) return -1;
  const Checkpoint checkpoint = open_checkpoint(scratch.path() / name);
  EXPECT_EQ(checkpoint.tensors().size(), tensors);
  return static_cast<double>(memory("VmHWM") - before) / bytes;
}

TEST(HeaderMemory, IsAFewTimesItsBytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
  GTEST_SKIP() << "a sanitizer has memory of its own";
#endif
  const ScratchFolder scratch;
  const double safetensors = times_the_header(scratch, "a.safetensors", safetensors_header(), kTensors);
  if (safetensors < 0) GTEST_SKIP() << "the peak of a process is not told here";
  EXPECT_LE(safetensors, 7);  // 6.2 were measured: the table of layouts has every name once more
  EXPECT_LE(times_the_header(scratch, "a.gguf", gguf_header(kTensors, 1), kTensors), 4);
  EXPECT_LE(times_the_header(scratch, "b.gguf", gguf_header(1, 1'000'000), 1), 4);
}

TEST(HeaderMemory, PairsHaveALimit) {
  std::string header = "GGUF";
  put<std::uint32_t>(header, 3);
  put<std::uint64_t>(header, 0);
  put<std::uint64_t>(header, 65537);
  header.resize(2'000'000, '\0');
  const ScratchFolder scratch;
  scratch.write("a.gguf", header);
  expect_refused(scratch.path() / "a.gguf", {"65537 metadata pairs", "65536"});
}

}  // namespace
}  // namespace quern
