// Forwarding, and what becomes of exceptions.
#include "api/observed_call.h"

#include <new>
#include <system_error>

#include "base/fail.h"

namespace quern {

void ObservedCall::stage(std::string_view name, std::uint64_t total) {
  const std::lock_guard lock(reports_);
  if (observer_) pass_on([&] { observer_->stage(name, total); });
}

void ObservedCall::advance(std::string_view what) {
  const std::lock_guard lock(reports_);
  if (observer_) pass_on([&] { observer_->advance(what); });
}

void ObservedCall::note(std::string_view text) {
  const std::lock_guard lock(reports_);
  if (observer_) pass_on([&] { observer_->note(text); });
}

bool ObservedCall::interrupted() const {
  return observer_ && pass_on([&] { return observer_->interrupted(); });
}

void ObservedCall::keep() const {
  const std::lock_guard lock(first_);
  if (!thrown_) thrown_ = std::current_exception();
}

void ObservedCall::rethrow() const {
  try {
    throw;
  } catch (const CallerThrew&) {
    std::rethrow_exception(thrown_);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kResource, "out of memory; lower `machine.max_memory` or close other programs");
  } catch (const std::system_error& error) {  // a folder that may not be read, no more threads
    throw Error(ErrorCode::kResource, error.what());
  } catch (const std::exception& error) {
    fail(ErrorCode::kInternal, "internal error: {}", error.what());
  }
}

}  // namespace quern
