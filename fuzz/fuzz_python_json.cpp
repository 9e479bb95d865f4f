// Arbitrary bytes as a configuration: refused, or a value that is the same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/python_json.h"
#include "quern/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Json value = quern::parse_python_json({reinterpret_cast<const char*>(data), size});
    const std::string text = quern::dump_python_json(value);
    if (quern::dump_python_json(quern::parse_python_json(text)) != text) std::abort();
  } catch (const quern::Error&) {
  }
  return 0;
}
