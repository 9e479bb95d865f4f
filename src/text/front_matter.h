// The block of YAML at the head of a model card (README.md on the Hugging Face hub), as far as cards use YAML.
#pragma once

#include <string_view>

#include "base/json.h"

namespace quern {

// The keys of the outermost mapping whose values are a text or a list of texts, as an object; numbers and truth values
// are the texts that they were written as. Deeper mappings (`model-index`), and lists of nothing else, are passed over.
// An empty object where the card does not begin with a line "---". Never fails: what cannot be read is not there.
Json front_matter(std::string_view card);

}  // namespace quern
