// Named mixes of number formats: which codec a weight gets by its role. Rows of the table in src/plan/schemes.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/model_spec.h"

namespace quern {

struct Scheme {
  const char* name;
  const char* summary;
  const char* format;            // the container that it is written to unless another is asked for
  const char* substitute;        // scheme for a source that cannot be written to that container; null: none
  std::uint32_t gguf_file_type;  // general.file_type, llama.cpp's number for the mix
  // Name of the codec for a matrix of the model.
  const char* (*codec_for)(const Weight& weight, const ModelSpec& spec);
};

std::span<const Scheme* const> schemes();
// Error(kUsage) with the nearest names.
const Scheme& find_scheme(std::string_view name);

}  // namespace quern
