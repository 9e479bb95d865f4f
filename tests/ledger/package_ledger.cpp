// Models of the repository in schemes of every container, with an importance matrix where there is one. Nothing here is
// measured on a text: sums of activations differ between processors in their last bits.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"
#include "quern/compress.h"
#include "quern/error.h"
#include "tests/ledger/ledger.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeader = "model,scheme,format,statistics,bytes,sha256\n";

struct PackageRow {
  const char *model, *scheme, *format;
  const char* statistics = "";  // below testdata
};

constexpr const char *kLlama = "models/llama-7m", *kImportance = "calib/llama-7m-imatrix8.gguf";
constexpr PackageRow kRows[] = {
    {kLlama, "q8_0", "gguf"},
    {kLlama, "simple", "safetensors"},
    {kLlama, "q4_k_m", "gguf"},
    {kLlama, "q4_k_m", "gguf", kImportance},
    {kLlama, "q3_k_m", "gguf", kImportance},
    {kLlama, "iq4_xs", "gguf", kImportance},
    {kLlama, "q4_0", "gguf"},
    {kLlama, "mixed-int4", "safetensors"},
    {kLlama, "mixed-int4", "safetensors", kImportance},
    {kLlama, "nf4", "bitsandbytes"},
    {kLlama, "lossless", "safetensors"},
    {"testdata/runtime/tiny-gpt2", "simple", "safetensors"},
    {"testdata/runtime/tiny-mamba", "mixed", "safetensors"},
    {"testdata/runtime/tiny-mixtral", "simple", "safetensors"},
    {"testdata/runtime/tiny-mixtral-stacked", "mixed", "safetensors"},
    {"testdata/model/tiny-mixtral.gguf", "q8_0", "gguf"},
    {"testdata/runtime/tiny-qwen3", "lossless", "safetensors"},
};

struct Written {
  std::uint64_t bytes = 0;
  std::string sha256;
};

Written weights_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const fs::path kind = entry.path().extension();
        (kind == ".gguf" || kind == ".safetensors") && entry.path().stem() != "statistics")
      files.push_back(entry.path());
  std::ranges::sort(files);
  Written written;
  Sha256 hash;
  for (const fs::path& file : files) {
    const std::string text = read_text(file);
    written.bytes += text.size();
    hash.update(std::as_bytes(std::span(text)));
  }
  written.sha256 = hash.hex();
  return written;
}

Written written_by(unsigned threads, const PackageRow& row) {
  const fs::path source(QUERN_SOURCE_DIR);
  const TemporaryFolder scratch("quern-ledger");
  CompressOptions options;
  options.input = source / row.model;
  options.output = scratch.path() / "out";
  options.scheme = row.scheme;
  options.format = row.format;
  if (*row.statistics) options.statistics = source / "testdata" / row.statistics;
  options.machine.threads = threads;
  compress(options);
  return weights_in(options.output);
}

}  // namespace

std::string package_ledger() {
  std::string text = kHeader;
  for (const PackageRow& row : kRows) {
    const Written one = written_by(1, row);
    for (const unsigned threads : {2u, 4u})
      if (written_by(threads, row).sha256 != one.sha256)
        throw Error(ErrorCode::kInternal, fmt::format("{} by {} as {}: {} threads write other bytes than one",
                                                      row.model, row.scheme, row.format, threads));
    text += fmt::format("{},{},{},{},{},{}\n", row.model, row.scheme, row.format, row.statistics, one.bytes,
                        one.sha256.substr(0, 32));
  }
  return text;
}

}  // namespace quern
