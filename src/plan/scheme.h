// Named mixes of number formats: which codec a weight gets by its role, its layer and the model's extents. Pure data;
// rows of the tables in src/plan/gguf_mixes.cpp and src/plan/preset_mixes.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/weight_site.h"

namespace quern {

// The codec for the weights of a part, where `holds` (null: everywhere).
struct SchemeRule {
  Part part;
  bool (*holds)(const WeightSite& site);
  const char* codec;
};

// What to take where rows do not divide into the blocks of `codec`.
struct Substitute {
  const char* codec;
  const char* instead;
};

// What schemes of one origin have in common.
struct SchemeFamily {
  std::span<const SchemeRule> first_rules;  // asked before the scheme's own
  std::span<const Substitute> substitutes;  // followed until one fits; then the next larger codec of the container
  const char* kept = nullptr;  // encoding of weights that keep_precision(); null: what the container's runtimes want
};

struct Scheme {
  const char* name;
  const char* summary;                // one line in plain words
  const char* format;                 // the container that it is written to unless another is asked for
  const char* substitute;             // scheme for a source that cannot be written to that container; null: none
  std::uint32_t gguf_file_type;       // general.file_type, llama.cpp's number for the mix
  const char* codec;                  // of a matrix that no rule names
  std::span<const SchemeRule> rules;  // the first that holds wins
  const SchemeFamily* family;

  // Name of the codec for a matrix of the model, whatever its rows.
  const char* codec_for(const WeightSite& site) const;
  // What to take in its place where rows do not divide; null: the scheme does not say.
  const char* substitute_for(std::string_view wanted) const;
};

std::span<const Scheme* const> schemes();
// Error(kUsage) with the nearest names.
const Scheme& find_scheme(std::string_view name);

// The parts of schemes().
std::span<const Scheme> gguf_mixes();
std::span<const Scheme> preset_mixes();

}  // namespace quern
