// By the names of number formats, which never change their meaning.
#include "plan/methods.h"

#include <algorithm>
#include <string_view>

namespace quern {
namespace {

constexpr const char *kBitnet[] = {"ternary_", "tq1_", "tq2_"}, *kSeedlm[] = {"seedlm_"}, *kVptq[] = {"vptq_"},
                     *kHyper[] = {"hyper_"};
constexpr Method kMethods[] = {
    {"BitNet", kBitnet}, {"SeedLM", kSeedlm}, {"VPTQ", kVptq}, {"Hyper-Compression", kHyper}};

}  // namespace

std::span<const Method> methods() { return kMethods; }

const Method* method_of(const Codec& codec) {
  const std::string_view name = codec.name;
  const auto found = std::ranges::find_if(kMethods, [&](const Method& method) {
    return std::ranges::any_of(method.beginnings, [&](const char* some) { return name.starts_with(some); });
  });
  return found == std::end(kMethods) ? nullptr : &*found;
}

}  // namespace quern
