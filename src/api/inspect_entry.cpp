// quern::inspect.
#include "api/observed_call.h"
#include "api/option_checks.h"
#include "apps/inspect.h"
#include "quern/inspect.h"

namespace quern {

InspectResult inspect(const std::filesystem::path& path, const InspectOptions& options) {
  return ObservedCall(nullptr).run([&](Observer&) {
    check_given(path, "the path of a model", "a folder or a file");
    const Inspection found = inspect_checkpoint(path, options);
    InspectResult result{.format = found.format,
                         .architecture = found.spec ? found.spec->architecture : "",
                         .why_unknown = found.why_unknown,
                         .parameters = found.total.elements,
                         .file_bytes = found.file_bytes,
                         .tensors = {},
                         .summary = describe(found),
                         .json = {}};
    write_json(found, 1, [&](std::string_view text) { result.json += text; });
    for (const TensorEntry& entry : found.tensors())
      result.tensors.push_back({.name = entry.name,
                                .encoding = entry.encoding,
                                .shape = {entry.shape.begin(), entry.shape.end()},
                                .bytes = entry.bytes()});
    return result;
  });
}

}  // namespace quern
