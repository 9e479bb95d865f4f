// quern::generate.
#include "api/observed_call.h"
#include "api/opened_model.h"
#include "api/option_checks.h"
#include "apps/generate.h"
#include "quern/generate.h"

namespace quern {

GenerateResult generate(const Model& model, const GenerateOptions& options,
                        const std::function<void(std::string_view)>& show, Observer* observer) {
  return ObservedCall(observer).run([&](ObservedCall& told) {
    check_machine(options.machine);
    const auto shown = [&](std::string_view text) {
      if (show) told.pass_on([&] { show(text); });
    };
    return generate_text(opened(model), options, shown, told);
  });
}

}  // namespace quern
