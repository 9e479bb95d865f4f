// Files that are nearly all header, and what a process takes in memory for them.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"

namespace quern {

// The figure of /proc/self/status in bytes.
inline std::uint64_t process_memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) {
      std::uint64_t kilobytes = 0;
      std::istringstream(line.substr(name.size() + 1)) >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

// The peak of the process while `body` runs, in bytes above what it has before. Negative: the system does not tell, or
// a sanitizer has memory of its own.
template <typename Body>
double peak_bytes(Body body) {
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
  return -1;
#endif
  {
    std::ofstream("/proc/self/clear_refs") << 5;
  }  // the peak counts from here
  const std::uint64_t before = process_memory("VmRSS");
  if (process_memory("VmHWM") > before + (std::uint64_t{1} << 20)) return -1;
  body();
  return static_cast<double>(process_memory("VmHWM") - before);
}

inline std::string block_name(std::size_t i) { return fmt::format("model.layers.{}.block.{}.weight", i / 8, i % 8); }
inline std::string short_name(std::size_t i) { return fmt::format("t{}", i); }

template <typename T>
void put_scalar(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void put_text(std::string& out, std::string_view text) {
  put_scalar<std::uint64_t>(out, text.size());
  out += text;
}

// A row of 32 numbers each, or (0 columns) tensors without bytes.
inline std::string large_safetensors_header(std::size_t tensors, std::size_t columns,
                                            std::string (*name)(std::size_t)) {
  std::string json = "{";
  for (std::size_t i = 0; i < tensors; ++i)
    json += fmt::format("{}\"{}\":{{\"dtype\":\"F16\",\"shape\":[1,{}],\"data_offsets\":[{},{}]}}", i ? "," : "",
                        name(i), columns, 2 * columns * i, 2 * columns * (i + 1));
  json += '}';
  std::string header;
  put_text(header, json);
  return header;
}

inline std::string large_gguf_header(std::size_t tensors, std::size_t columns, std::size_t tokens) {
  std::string header = "GGUF";
  put_scalar<std::uint32_t>(header, 3);
  put_scalar<std::uint64_t>(header, tensors);
  put_scalar<std::uint64_t>(header, 1);
  put_text(header, "tokenizer.ggml.tokens");
  put_scalar<std::uint32_t>(header, 9);
  put_scalar<std::uint32_t>(header, 8);
  put_scalar<std::uint64_t>(header, tokens);
  for (std::size_t i = 0; i < tokens; ++i) put_text(header, fmt::format("tok{}", i % 1000));
  for (std::size_t i = 0; i < tensors; ++i) {
    put_text(header, block_name(i));
    put_scalar<std::uint32_t>(header, 2);
    put_scalar<std::uint64_t>(header, columns);
    put_scalar<std::uint64_t>(header, 1);
    put_scalar<std::uint32_t>(header, 1);
    put_scalar<std::uint64_t>(header, 2 * columns * i);
  }
  header.resize(round_up(header.size(), std::size_t{32}), '\0');
  return header;
}

// With so many bytes of zeros behind it, which take no space.
inline void write_with_header(const std::filesystem::path& path, const std::string& header, std::uint64_t data_bytes) {
  OutputFile file(path);
  file.write(header);
  file.truncate(header.size() + data_bytes);
}

}  // namespace quern
