// The table of checkpoint formats, in the order in which they are asked whether they know a path.
#include "format/formats.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "base/file.h"
#include "base/names.h"
#include "base/printable.h"
#include "format/first_contact.h"
#include "format/gguf.h"
#include "format/llama2c.h"
#include "format/lone_adapter.h"
#include "format/npz.h"
#include "format/pytorch.h"
#include "format/safetensors.h"
#include "format/stand_in.h"

namespace quern {
namespace {

constexpr const Format* kFormats[] = {&kSafetensors, &kGguf, &kBitsandbytes, &kVptqFolder, &kNpz, &kPytorch, &kLlama2c};

// "safetensors, gguf": those of the table that have `function`.
template <typename Function>
std::string names_with(Function Format::* function) {
  std::string names;
  for (const Format* format : kFormats)
    if (format->*function) names += (names.empty() ? "" : ", ") + std::string(format->name);
  return names;
}

[[noreturn]] void refuse_choice(const std::filesystem::path& folder, std::span<const std::filesystem::path> files) {
  const bool has_safetensors =
      std::ranges::any_of(files, [](const auto& file) { return file.extension() == ".safetensors"; });
  fail(ErrorCode::kInput, "{} holds {} model files ({}, {}{}), and {}; name one of them", folder.string(), files.size(),
       printable_line(files[0].filename().string()), printable_line(files[1].filename().string()),
       files.size() > 2 ? ", ..." : "",
       has_safetensors ? "none is named model.safetensors" : "they are not the parts of one model");
}

}  // namespace

std::span<const Format* const> formats() { return kFormats; }

const Format& find_format(std::string_view name) {
  if (const Format* format = row_named(kFormats, name)) return *format;
  fail(ErrorCode::kUsage, "there is no format \"{}\"; did you mean {}?", name, nearest_names(name, names_of(kFormats)));
}

void check_is_written(const Format& format) {
  if (format.is_written()) return;
  fail(ErrorCode::kUsage, "{} ({}) is read, but not written; written are: {}", format.name, format.summary,
       names_with(&Format::create));
}

const Format& importance_format() { return kGguf; }

Checkpoint open_checkpoint(const std::filesystem::path& path) {
  if (const std::string adapter = lone_adapter(path); !adapter.empty()) fail(ErrorCode::kInput, "{}", adapter);
  Checkpoint checkpoint = open_checkpoint(path, kFormats);
  if (const std::string adapter = lone_adapter(checkpoint); !adapter.empty()) fail(ErrorCode::kInput, "{}", adapter);
  return checkpoint;
}

Checkpoint open_adapter_tensors(const std::filesystem::path& path) { return open_checkpoint(path, kFormats); }

namespace {

Checkpoint open_by_format(const std::filesystem::path& path, std::span<const Format* const> all) try {
  if (!is_there(path)) {
    const std::string what = what_it_is(path);
    fail(ErrorCode::kInput, "{}", what.empty() ? path.string() + " does not exist" : what);
  }
  std::error_code ec;
  if (!std::filesystem::is_directory(path, ec)) File{path};  // says what it is in place of a file
  for (const Format* format : all) {
    if (!format->probe || !format->probe(path)) continue;
    if (format->is_read()) return format->open(path);
    fail(ErrorCode::kInput, "{} is {} ({}), which is written, but not read; open the model that it was made from",
         path.string(), format->name, format->summary);
  }
  const std::vector<std::filesystem::path> models = models_in(path);
  if (models.size() == 1) return open_by_format(models[0], all);
  if (models.size() > 1) refuse_choice(path, models);
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
