// quern verify PACKAGE
#include <fmt/core.h>

#include <memory>

#include "base/counted.h"
#include "base/json.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/field_flags.h"
#include "cli/options.h"
#include "cli/standard_streams.h"
#include "quern/error.h"
#include "quern/verify.h"

namespace quern::cli {
namespace {

struct VerifyArguments {
  VerifyOptions verify;
  SharedOptions shared;
};

void print_json(const VerifyResult& r) {
  fmt::print("{}\n", dump_json(Json::object({{"ok", r.problems.empty()},
                                             {"files", r.files},
                                             {"tensors", r.tensors},
                                             {"compared", r.compared},
                                             {"original", r.original},
                                             {"problems", Json::Array(r.problems.begin(), r.problems.end())},
                                             {"unproven", Json::Array(r.unproven.begin(), r.unproven.end())}}),
                               1));
}

const char* verdict(const VerifyResult& result) {
  if (!result.problems.empty()) return "NOT as it was written";
  return result.unproven.empty() ? "all well" : "nothing speaks against it, but not all of it could be proven";
}

std::string compared_with(const VerifyOptions& options, const VerifyResult& result) {
  if (!result.original.empty()) return printable_line(result.original);
  if (!options.original.empty() || !result.problems.empty()) return "an original";
  return "the original, which is not at hand (--against names it)";
}

int run(VerifyArguments o) {
  o.verify.machine = o.shared.machine();
  VerifyResult result = [&] {
    TerminalObserver observer(o.shared.verbosity());
    // As they were measured; a package whose original is not at hand ends before the last two.
    observer.expect(
        {{"hash files", 1}, {"look at tensors", 1}, {"compare tensors", 8}, {"compare configuration and tokenizer", 1}},
        PhaseSeconds::kShares);
    return verify(o.verify, &observer);
  }();
  for (std::string& problem : result.problems) problem = with_flags(problem);
  if (o.shared.json) {
    print_json(result);
  } else {
    for (const std::string& problem : result.problems) tell("quern: {}\n", printable_line(problem));
    for (const std::string& line : result.unproven) tell("not proven: {}\n", printable_line(line));
    fmt::print("{}: {} hashed, {} looked at, {} compared with {}: {}\n", printable_line(o.verify.package.string()),
               counted(result.files, "file"), counted(result.tensors, "tensor"), result.compared,
               compared_with(o.verify, result), verdict(result));
  }
  return result.problems.empty() ? 0 : static_cast<int>(ErrorCode::kVerification);
}

}  // namespace

Subcommand add_verify(CLI::App& program) {
  CLI::App* app = program.add_subcommand("verify", "Check that a package still holds what its manifest promises");
  const auto o = std::make_shared<VerifyArguments>();
  app->add_option("PACKAGE", o->verify.package, "The folder or file that compress wrote")
      ->type_name("PATH")
      ->required();
  app->add_option("--against", o->verify.original, "The original (default: where it was when the package was made)")
      ->type_name("PATH");
  app->add_option("--adapter", o->verify.adapter,
                  "The LoRA adapter (a folder of PEFT) that was merged into the original")
      ->type_name("FOLDER");
  app->add_option("--every", o->verify.stride, "Compare only every n-th tensor with the original")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number_from(1));
  add_shared(*app, o->shared);
  app->footer("Example: quern verify out");
  return {app, [o] { return run(*o); }};
}

}  // namespace quern::cli
