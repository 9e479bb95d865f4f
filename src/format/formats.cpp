// The table of checkpoint formats, in the order in which they are asked whether they know a path.
#include <vector>

#include "base/names.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "quern/checkpoint.h"
#include "quern/error.h"

namespace quern {
namespace {

constexpr const Format* kFormats[] = {&kSafetensors, &kGguf, &kBitsandbytes};

std::vector<std::string> names_of_formats() {
  std::vector<std::string> names;
  for (const Format* format : kFormats) names.emplace_back(format->name);
  return names;
}

}  // namespace

std::span<const Format* const> formats() { return kFormats; }

const Format& find_format(std::string_view name) {
  for (const Format* format : kFormats)
    if (name == format->name) return *format;
  fail(ErrorCode::kUsage, "no format is called \"{}\"; did you mean: {}", name,
       nearest_names(name, names_of_formats()));
}

Checkpoint open_checkpoint(const std::filesystem::path& path) try {
  if (!std::filesystem::exists(path)) fail(ErrorCode::kInput, "{} does not exist", path.string());
  for (const Format* format : kFormats)
    if (format->probe(path)) return format->open(path);
  std::string known;
  for (const Format* format : kFormats)
    known += fmt::format("{}{} ({})", known.empty() ? "" : "; ", format->name, format->summary);
  fail(ErrorCode::kInput, "{} is not a checkpoint of a known format: {}", path.string(), known);
} catch (const std::filesystem::filesystem_error& error) {  // no permission, a loop of links
  fail(ErrorCode::kInput, "cannot read {}: {}", error.path1().string(), error.code().message());
}

}  // namespace quern
