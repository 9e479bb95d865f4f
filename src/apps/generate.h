// `quern run`: text from a model, token by token.
#pragma once

#include <functional>
#include <string_view>

#include "quern/generate.h"
#include "runtime/open_model.h"

namespace quern {

const char* to_string(GenerateResult::End end);

// `show` gets the text as it is made, whole characters at a time. Error(kInput) when the prompt does not fit the
// context. The same text for a seed, whatever the number of threads. Stops between tokens when the observer says so.
GenerateResult generate_text(const OpenModel& model, const GenerateOptions& options,
                             const std::function<void(std::string_view)>& show, Observer& observer);

}  // namespace quern
