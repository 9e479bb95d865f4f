// What stands around every call from outside: the caller's observer, and what may leave the library.
#pragma once

#include <exception>
#include <mutex>
#include <utility>

#include "kernel/one_thread.h"
#include "quern/observer.h"

namespace quern {

class ObservedCall final : public Observer {
 public:
  // `observer`: null: nobody is told anything, and nothing is cancelled.
  explicit ObservedCall(Observer* observer) : observer_(observer) {}

  // Runs body(*this). What the caller's observer threw is thrown again as it was, from whatever thread it came; other
  // failures leave as Error.
  template <typename Body>
  auto run(Body body) {
    const KeepOpenmpThreads kept;  // the thread is the caller's
    try {
      return body(*this);
    } catch (...) {
      rethrow();
    }
  }

  void stage(std::string_view name, std::uint64_t total) override;
  void advance(std::string_view what) override;
  void note(std::string_view text) override;
  bool interrupted() const override;

  // Runs `call`, which is the caller's. What it throws leaves the library through run().
  template <typename Call>
  auto pass_on(Call call) const {
    try {
      return call();
    } catch (...) {
      keep();
    }
    throw CallerThrew();
  }

 private:
  // Carries no message and is no Error, so that nobody on its way mends, renames or swallows it: an interrupted
  // compression keeps what is finished when it passes.
  class CallerThrew {};

  void keep() const;
  [[noreturn]] void rethrow() const;

  Observer* observer_;
  std::mutex reports_;        // stage, advance and note are called on one thread at a time
  mutable std::mutex first_;  // guards thrown_
  mutable std::exception_ptr thrown_;
};

}  // namespace quern
