// Arbitrary bytes as a plan: refused, or one that is the same when it was written down and read back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/check_plan.h"
#include "quern/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const quern::Plan plan = quern::parse_plan(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!(quern::parse_plan(quern::dump_json(quern::to_json(plan))) == plan)) __builtin_trap();
    plan.sha256();
    plan.tensor_bytes();
  } catch (const quern::Error&) {
  }
  return 0;
}
