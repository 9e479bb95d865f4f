// Where the library reports what it is doing. It never prints.
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
  // Asked between steps; true makes the library throw Error(kInterrupted).
  virtual bool interrupted() const { return false; }
};

}  // namespace quern
