// What the name of a file says that is in it: one table for all who look for weights in a folder.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace quern {

struct FileKind {
  enum class Holds {
    kModel,   // weights that a format reads
    kOther,   // weights that none reads as a model, or what may hold some
    kNothing  // no weights
  };

  std::string_view prefix, suffix;  // of the name in small letters; "": any
  std::string_view what;            // "an ONNX model"
  Holds holds;
  std::string_view next;  // what to do instead, after "; "; empty of kModel
};

std::span<const FileKind> file_kinds();
// The first row that fits the name; null: none does.
const FileKind* kind_of_file(const std::filesystem::path& path);
// Whether the name is one of weights that a format reads.
bool is_named_as_model(const std::filesystem::path& path);
// Whether the name is one of weights of any kind, or of what may hold some.
bool may_hold_weights(const std::filesystem::path& path);

}  // namespace quern
