// `quern run`: text from a model, token by token.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/observer.h"
#include "quern/machine_options.h"
#include "runtime/sampler.h"

namespace quern {

struct GenerateOptions {
  std::filesystem::path model;
  std::string prompt;
  std::size_t tokens = 256;  // at most
  std::size_t context = 0;   // tokens of prompt and answer together; 0: the model's, at most kUsualContext
  SamplingOptions sampling;
  std::vector<std::string> stops;
  MachineOptions machine;
};

// Keys and values of a model's whole context can take more memory than its weights.
inline constexpr std::size_t kUsualContext = 4096;

struct Generation {
  enum class End { kTokens, kStopString, kEndOfText, kContext };
  std::string text;
  End end = End::kTokens;
  std::size_t prompt_tokens = 0, tokens = 0;
  double load_seconds = 0, prompt_seconds = 0, seconds = 0;
};
const char* to_string(Generation::End end);

// `show` gets the text as it is made, whole characters at a time. Error(kInput) when the prompt does not fit the
// context. The same text for a seed, whatever the number of threads. Stops between tokens when the observer says so.
Generation generate(const GenerateOptions& options, const std::function<void(std::string_view)>& show,
                    Observer& observer);

}  // namespace quern
