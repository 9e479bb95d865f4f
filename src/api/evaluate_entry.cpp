// quern::evaluate.
#include "api/observed_call.h"
#include "api/opened_model.h"
#include "api/option_checks.h"
#include "apps/eval_models.h"
#include "quern/evaluate.h"

namespace quern {
namespace {

constexpr std::uint64_t kShortestWindow = 8, kLongestWindow = std::uint64_t{1} << 20;  // tokens

EvaluateResult measured(const Model& model, const Model* original, const EvaluateOptions& options, Observer* observer) {
  return ObservedCall(observer).run([&](Observer& told) {
    check_given(options.text, "`text`", "the text to measure on");
    check_range(options.window_length, kShortestWindow, kLongestWindow, "`window_length`");
    check_machine(options.machine);
    EvaluateResult result = eval_models(options, opened(model), original ? &opened(*original) : nullptr, told);
    result.json = dump_json(to_json(result), 1);
    return result;
  });
}

}  // namespace

EvaluateResult evaluate(const Model& model, const EvaluateOptions& options, Observer* observer) {
  return measured(model, nullptr, options, observer);
}

EvaluateResult evaluate(const Model& model, const Model& original, const EvaluateOptions& options, Observer* observer) {
  return measured(model, &original, options, observer);
}

}  // namespace quern
