// Where the library reports what it is doing, and asks whether to go on. It never prints.
//
// stage, advance and note are called on one thread at a time. What any of the four throws ends the call of the library
// and arrives at its caller as it is.
#pragma once

#include <cstdint>
#include <string_view>

#include "quern/export.h"

namespace quern {

class QUERN_API Observer {
 public:
  virtual ~Observer() = default;
  // A stage of `total` steps begins ("encode", "evaluate" ...); the one before it has ended.
  virtual void stage(std::string_view /*name*/, std::uint64_t /*total*/) {}
  // One step of the stage is done; `what` says which ("block 3: 7 tensors, 4.9 bits per weight").
  virtual void advance(std::string_view /*what*/) {}
  // Something a person should know although the work goes on.
  virtual void note(std::string_view /*text*/) {}
  // Asked between steps, from working threads too, several at a time: another thread cancels by setting what this
  // reads, a std::atomic<bool>. True makes the library throw Error(kInterrupted).
  virtual bool interrupted() const { return false; }
};

}  // namespace quern
