// "-" in place of a file: what comes on standard input.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"

namespace quern::cli {

// `text` with "standard input" for the file that it was copied to, wherever that lies.
std::string with_input_name(std::string text);

// A file that goes with the object; its name says where the text came from.
class StandardInput {
 public:
  // Puts the file in place of the one path that is "-", if any. Error(kUsage) where several are: it can be read once.
  explicit StandardInput(std::initializer_list<std::pair<const char*, std::filesystem::path*>> options);

 private:
  std::optional<TemporaryFolder> folder_;
};

}  // namespace quern::cli
