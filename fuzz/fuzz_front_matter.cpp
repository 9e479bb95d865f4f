// Arbitrary bytes as a model card: never refused, and nothing but texts and lists of texts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "text/front_matter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const quern::Json found = quern::front_matter({reinterpret_cast<const char*>(data), size});
  for (const auto& [key, value] : found.as_object())
    if (!value.is_string() && !value.is_array()) std::abort();
  return 0;
}
