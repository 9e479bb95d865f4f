// What is known of the inputs of every matrix of a model, prepared when it is first asked for.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "calib/hessian_store.h"
#include "calib/statistics.h"
#include "optim/input_context.h"

namespace quern {

class Inputs {
 public:
  // Nothing is known.
  Inputs() = default;
  // `hessians` may be null. Keeps the factors of the groups that were asked for last, of at most `memory` bytes, and of
  // one at least. REQUIRES: the arguments outlive this.
  Inputs(const Statistics& statistics, const HessianStore* hessians, std::uint64_t memory);

  // Of the matrix, or of one of its experts. An expert that saw few tokens takes what is known of all experts of its
  // layer. Safe from several threads: one prepares, the others wait. Error(kInput) when the store was changed.
  std::shared_ptr<const InputContext> of(const Weight& weight, std::size_t expert = 0) const;
  // What people should know of the groups that were asked for so far, a line for all that it is alike for: a Hessian
  // that cannot be used, so that matrices are rounded by second moments, or one that took more damping than usual.
  std::vector<std::string> notes() const;

 private:
  using Key = std::pair<std::string, std::size_t>;
  struct Note {
    std::string where, remark;
  };
  struct Entry {
    Key key;
    std::shared_ptr<const InputContext> context;
  };

  std::shared_ptr<const InputContext> prepare(const Weight& weight, std::size_t expert) const;
  std::shared_ptr<const InputContext> noted(const std::string& group, std::size_t expert, InputContext context) const;

  const Statistics* statistics_ = nullptr;
  const HessianStore* hessians_ = nullptr;
  std::uint64_t memory_ = 0;
  mutable std::mutex mutex_;
  mutable std::list<Entry> recent_;  // the last one asked for first
  mutable std::map<Key, Note> notes_;
};

}  // namespace quern
