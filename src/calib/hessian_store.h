// Hessians of a model on disk: a folder with one file each (hessian_shard.h) and index.json (hessian_index.h).
#pragma once

#include <filesystem>
#include <optional>

#include "calib/hessian_index.h"
#include "calib/statistics.h"
#include "kernel/linear.h"
#include "tokenizer/texts.h"

namespace quern {

// Of sums over these windows of the model that the caller names.
HessianIdentity hessian_identity(std::string model, const Windows& windows, Precision precision,
                                 std::string text_name = {});

// A store that was finished.
class HessianStore {
 public:
  // Error(kInput): there is none, it was not finished, is of another model or text (the message names what differs),
  // its index was changed, or a file is missing or of another size. What the files hold is checked when it is read.
  HessianStore(std::filesystem::path folder, const HessianIdentity& expected);
  // The same of any text: `model` as in its identity.
  HessianStore(std::filesystem::path folder, const std::string& model);

  const HessianIdentity& identity() const noexcept { return index_.identity; }
  // Names the whole content, for plans.
  std::string hash() const { return content_hash(index_); }
  // Experts of the group, 1 where there is no mixture; 0: it has no Hessian here.
  std::size_t experts(std::string_view group) const;
  // Rows that were summed; 0 where there is no such Hessian.
  std::uint64_t tokens(std::string_view group, std::uint32_t expert = 0) const;

  // One Hessian in memory; kAllExperts: that of all experts of a mixture. None: the store has none for the group.
  // Error(kInput) when the file was changed. Safe from several threads.
  std::optional<Hessian> read(std::string_view group, std::uint32_t expert = 0) const;
  // E[x^2] of the same rows, to the bit what collect_statistics gives.
  std::optional<InputMoments> read_moments(std::string_view group, std::uint32_t expert = 0) const;

  const std::map<ShardKey, ShardRecord>& shards() const noexcept { return index_.shards; }

 private:
  enum class Text { kExpected, kAny };
  HessianStore(std::filesystem::path folder, const HessianIdentity& expected, Text text);
  ShardFile open(const ShardRecord& record) const;

  std::filesystem::path folder_;
  HessianIndex index_;
};

// The Hessian for `weight`, or for one of its experts, and whose it is.
struct ChosenHessian {
  enum class Source { kOwn, kPooled };
  Hessian hessian;
  Source source = Source::kOwn;
};

// An expert that saw fewer tokens than kFewestTokens or than columns takes that of all experts of its layer: its own
// would be singular, and errors would be pushed where those few tokens happen to have nothing. None: the weight has no
// group, or the store does not have it.
std::optional<ChosenHessian> hessian_of(const HessianStore& store, const Weight& weight, std::size_t expert = 0);

// The second moments of all groups, as collect_statistics gives them.
Statistics statistics_of(const HessianStore& store);

}  // namespace quern
