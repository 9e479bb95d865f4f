// Which model is meant: files, and what is changed in them before anything reads them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quern {

struct ModelSource {
  std::filesystem::path path;     // a Hugging Face folder, or a file of a format that is read
  std::filesystem::path adapter;  // a LoRA folder of PEFT, merged into the weights; empty: none
  // Tensors that are left out as if they were not in the files: names, globs ("v_head.*") or "re:" and a regular
  // expression.
  std::vector<std::string> drop;
};

}  // namespace quern
