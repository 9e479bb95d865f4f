// Text from a model, token by token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/machine_options.h"
#include "quern/model.h"
#include "quern/observer.h"

namespace quern {

// Applied in llama.cpp's order: top_k, top_p, min_p, temperature. The defaults are llama.cpp's, too.
struct SamplingOptions {
  double temperature = 0.8;  // 0: always the most probable token
  std::uint32_t top_k = 40;  // only the k most probable; 0: all
  double top_p = 0.95;       // only the most probable that together reach p, at least one; 1: all
  double min_p = 0.05;       // only those at least so probable in relation to the most probable; 0: all
  std::uint64_t seed = 0;
};

struct GenerateOptions {
  std::string prompt;
  std::size_t tokens = 256;  // at most
  std::size_t context = 0;   // tokens of prompt and answer together; 0: the model's, at most kUsualContext
  SamplingOptions sampling;
  std::vector<std::string> stops;  // the text ends before the first of these
  MachineOptions machine;          // of `max_memory` 0 means no limit here
};

// Keys and values of a model's whole context can take more memory than its weights.
inline constexpr std::size_t kUsualContext = 4096;

struct GenerateResult {
  enum class End { kTokens, kStopString, kEndOfText, kContext };
  std::string text;
  End end = End::kTokens;
  std::size_t prompt_tokens = 0, tokens = 0;
  double load_seconds = 0, prompt_seconds = 0, seconds = 0;
};

// `show` gets the text as it is made, whole characters at a time, on the thread that calls; what it throws ends the
// call. The same text for a seed, whatever the number of threads. Error(kInput) when the prompt does not fit the
// context.
QUERN_API GenerateResult generate(const Model& model, const GenerateOptions& options,
                                  const std::function<void(std::string_view)>& show = {}, Observer* observer = nullptr);

}  // namespace quern
