// llama.cpp's importance matrix from before GGUF (imatrix.dat), read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace quern {

struct LegacyImatrix {
  struct Entry {
    std::uint64_t calls = 0;  // chunks of text
    std::vector<float> sums;  // [experts * columns]: the mean of x^2 over tokens, times `calls`
  };
  std::map<std::string, Entry> entries;  // by the name of the weight
  std::uint64_t chunks = 0;              // 0: the file does not say
  std::string dataset;                   // empty: the file does not say
};

// Tokens of a chunk: the file does not say them, and llama-imatrix takes so many unless asked for others.
inline constexpr std::uint64_t kLegacyChunk = 512;

// Whether a file begins as such a one does.
bool is_legacy_imatrix(const std::filesystem::path& path);

// Error(kInput) that says what is cut short or cannot be. Source: llama.cpp, tools/imatrix/imatrix.cpp,
// load_imatrix_legacy.
LegacyImatrix read_legacy_imatrix(const std::filesystem::path& path);

}  // namespace quern
