// What `compress` is about to do, before any weight is read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "forecast/time_forecast.h"

namespace quern {

struct CompressPreview {
  std::string architecture, source_format;
  std::uint64_t parameters = 0, source_bytes = 0;
  std::string scheme, format;                // those that will be used
  std::uint64_t tensor_bytes = 0;            // as the scheme alone has them
  std::optional<std::uint64_t> model_bytes;  // of what a runtime needs; absent where a size was asked for
  bool size_is_exact = true;                 // false: some tensors' sizes depend on their numbers
  std::optional<std::uint64_t> most_bytes;   // that size: a survey chooses the number formats for it
  std::uint64_t memory = 0;                  // bytes to keep to
  std::string memory_reason;                 // why so many; empty: they were asked for
  std::uint64_t expected_memory = 0;         // bytes that it is thought to take
  unsigned threads = 0;
  Precision precision = Precision::kF32;
  std::optional<TimeForecast> time;  // absent: the model does not let it be measured
  std::vector<std::string> notes;    // what compress would note before it reads a weight
};

// Throws what compress would throw of the output, the texts and the plan. Reads a layer's weights to time it. Writes
// nothing.
CompressPreview preview(const Opened& opened, const CompressTexts& texts);

Json to_json(const CompressPreview& preview);

}  // namespace quern
