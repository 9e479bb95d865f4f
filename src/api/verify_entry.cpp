// quern::verify.
#include "api/observed_call.h"
#include "api/option_checks.h"
#include "package/verify.h"

namespace quern {

VerifyResult verify(const VerifyOptions& options, Observer* observer) {
  return ObservedCall(observer).run([&](Observer& told) {
    check_given(options.package, "`package`", "the folder that compress wrote");
    check_range(options.stride, 1, std::uint64_t{1} << 32, "`stride`");
    check_machine(options.machine);
    return verify_package(options, told);
  });
}

}  // namespace quern
