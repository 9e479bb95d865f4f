// One table; checked_programs_test.cpp holds it to the pinned versions.
#include "format/checked_programs.h"

#include <fmt/core.h>

namespace quern {
namespace {

constexpr CheckedProgram kPrograms[] = {
    {"llama.cpp", "b11549"}, {"transformers", "5.23.0"}, {"compressed-tensors", "0.20.0"}, {"bitsandbytes", "0.50.2"}};

}  // namespace

std::span<const CheckedProgram> checked_programs() { return kPrograms; }

std::string checked_with(std::string_view sentence) {
  std::string text;
  for (const auto& [name, version] : kPrograms)
    if (sentence.find(name) != sentence.npos)
      text += fmt::format("{}{} {}", text.empty() ? "checked with " : ", ", name, version);
  return text;
}

}  // namespace quern
