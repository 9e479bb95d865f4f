// A statistics store while it is collected.
#pragma once

#include "base/thread_pool.h"
#include "calib/hessian_index.h"
#include "calib/statistics.h"

namespace quern {

inline constexpr const char* kIndexName = "index.json";

// A Hessian that is ready to be written.
struct NewHessian {
  std::string group;
  std::uint32_t expert = 0;
  InputMoments moments;
  RowSource rows;
};

// Every Hessian is written under another name, synced and renamed, and then listed in the index, which changes in one
// step: whenever the program ends, what is listed is whole. One writer at a time: the caller holds what guards that.
class HessianWriter {
 public:
  // Begins a store in `folder`, or goes on with one. Error(kInput) when that is of another model or text, or its index
  // or a file was changed; Error(kUsage) when the folder holds something else.
  HessianWriter(std::filesystem::path folder, const HessianIdentity& identity);

  const HessianIdentity& identity() const noexcept { return index_.identity; }
  bool contains(std::string_view group, std::uint32_t expert) const { return index_.find(group, expert); }
  // Writes them side by side, then lists them in their order.
  void add(std::span<const NewHessian> hessians, ThreadPool& pool);
  // Adds the one of all `experts` together: the mean of theirs as they are written, weighted by their tokens, so that
  // it does not depend on how many were collected at a time. Error(kInput) when one of the files was changed.
  void add_pooled(const std::string& group, std::uint32_t experts, ThreadPool& pool);
  // From now on a HessianStore opens it.
  void finish();

 private:
  void write_index();

  std::filesystem::path folder_;
  HessianIndex index_;
};

}  // namespace quern
