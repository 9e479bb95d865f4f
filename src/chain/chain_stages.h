// Stages of a chain of compressions, each named for the published method that it is.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct ChainStage {
  const char* name;    // as a person asks for it
  const char* method;  // as its publication calls it
  double claimed;      // ratio that the pipeline Quern descends from gave it, and multiplied with those of the others
  const char* scheme;
};

std::span<const ChainStage> chain_stages();

// "bitnet,seedlm". Error(kUsage) that offers the nearest names, and for a list of none.
std::vector<ChainStage> stages_named(std::string_view list);

std::vector<ChainStage> stages_named(std::span<const std::string> names);

// The stages of a recipe: "seed-4stage" is all four in the order of the table. Error(kUsage) with the nearest names.
std::vector<ChainStage> recipe_named(std::string_view name);

}  // namespace quern
