// Arbitrary bytes as a precision map: refused, or rules that can be matched against names and laid over a small model.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/map_application.h"
#include "quern/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const quern::Weight weights[] = {
      {.role = "moe.router", .tensor = "layers.0.mlp.gate.weight", .axes = {{"experts", 8}, {"hidden", 64}}},
      {.role = "attn.q", .tensor = "layers.11.q_proj.weight", .axes = {{"heads", 64}, {"hidden", 64}}},
      {.role = "norm", .tensor = std::string("a\xff\0b", 4), .axes = {{"hidden", 64}}}};
  try {
    const quern::PrecisionMap map =
        quern::parse_precision_map(std::string_view(reinterpret_cast<const char*>(data), size));
    quern::MapApplication application(map);
    std::vector<std::string> notes;
    for (const quern::Weight& weight : weights) {
      const auto rule = application.rule_for(weight, "blk.0." + weight.role);
      if (rule && *rule >= map.rules.size()) __builtin_trap();
    }
    application.finish(notes);
  } catch (const quern::Error&) {
  }
  return 0;
}
