// The table of checkpoint formats, in the order in which they are asked whether they know a path.
#include "format/formats.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "base/names.h"
#include "format/first_contact.h"
#include "format/gguf.h"
#include "format/llama2c.h"
#include "format/npz.h"
#include "format/pytorch.h"
#include "format/safetensors.h"
#include "format/stand_in.h"

namespace quern {
namespace {

constexpr const Format* kFormats[] = {&kSafetensors, &kGguf, &kBitsandbytes, &kNpz, &kPytorch, &kLlama2c};

std::vector<std::string> names_of_formats() {
  std::vector<std::string> names;
  for (const Format* format : kFormats) names.emplace_back(format->name);
  return names;
}

// "safetensors, gguf": those of the table that have `function`.
template <typename Function>
std::string names_with(Function Format::* function) {
  std::string names;
  for (const Format* format : kFormats)
    if (format->*function) names += (names.empty() ? "" : ", ") + std::string(format->name);
  return names;
}

// Names of the files of a folder that a format could open, in order.
std::vector<std::string> model_files(const std::filesystem::path& path) {
  std::vector<std::string> names;
  if (!std::filesystem::is_directory(path)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    for (const char* extension : {".safetensors", ".gguf"})
      if (entry.path().extension() == extension) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
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

void check_is_written(const Format& format) {
  if (format.is_written()) return;
  fail(ErrorCode::kUsage, "{} ({}) is read, but not written; written are: {}", format.name, format.summary,
       names_with(&Format::create));
}

const Format& importance_format() { return kGguf; }

Checkpoint open_checkpoint(const std::filesystem::path& path) { return open_checkpoint(path, kFormats); }

namespace {

Checkpoint open_by_format(const std::filesystem::path& path, std::span<const Format* const> all) try {
  if (!std::filesystem::exists(path)) {
    const std::string what = what_it_is(path);
    fail(ErrorCode::kInput, "{}", what.empty() ? path.string() + " does not exist" : what);
  }
  if (const std::string adapter = adapter_only(path); !adapter.empty()) fail(ErrorCode::kInput, "{}", adapter);
  for (const Format* format : all) {
    if (!format->probe || !format->probe(path)) continue;
    if (format->is_read()) return format->open(path);
    fail(ErrorCode::kInput, "{} is {} ({}), which is written, but not read; open the model that it was made from",
         path.string(), format->name, format->summary);
  }
  if (const auto files = model_files(path); files.size() > 1)
    fail(ErrorCode::kInput, "{} holds {} model files ({}), and none is named model.safetensors; name one of them",
         path.string(), files.size(), fmt::format("{}, {}{}", files[0], files[1], files.size() > 2 ? ", ..." : ""));
  if (const std::filesystem::path only = only_weights_in(path); !only.empty()) return open_by_format(only, all);
  if (const std::string what = what_it_is(path); !what.empty()) fail(ErrorCode::kInput, "{}", what);
  std::string known;
  for (const Format* format : all)
    if (format->is_read()) known += fmt::format("{}{} ({})", known.empty() ? "" : "; ", format->name, format->summary);
  fail(ErrorCode::kInput, "{} is not a checkpoint of a known format: {}", path.string(), known);
} catch (const std::filesystem::filesystem_error& error) {  // no permission, a loop of links
  fail(ErrorCode::kInput, "cannot read {}: {}", error.path1().string(), error.code().message());
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& path, std::span<const Format* const> all) {
  try {
    return open_by_format(path, all);
  } catch (const Error& error) {
    const std::string instead = error.code() == ErrorCode::kInput ? stand_in_for_weights(path) : "";
    if (instead.empty()) throw;
    fail(ErrorCode::kInput, "{}", instead);
  }
}

}  // namespace quern
