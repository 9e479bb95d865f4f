// What a statistics store holds and of what: its file index.json. Parsed with distrust, written whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "calib/hessian_shard.h"

namespace quern {

// What the sums depend on. The caller names the model and the windows by hashes.
struct HessianIdentity {
  std::string model;           // of the source's tensor table, or of its files
  std::string windows_sha256;  // of the token ids
  std::uint64_t windows = 0, window_length = 0;
  std::string precision;  // of the products of the walk: to_string(Precision)
  std::string text_name;  // where the text came from, for people: not compared
};

// "the model is ab12 there and cd34 here; ..." for all that differs; empty: nothing does.
std::string difference(const HessianIdentity& there, const HessianIdentity& here);

struct ShardRecord {
  ShardHead head;
  ShardHashes hashes;
  std::uint64_t file = 0;  // NUMBER.hessian

  std::string file_name() const;
};

using ShardKey = std::pair<std::string, std::uint32_t>;  // group, expert

struct HessianIndex {
  HessianIdentity identity;
  bool finished = false;  // every Hessian that was wanted is there
  std::map<ShardKey, ShardRecord> shards;

  const ShardRecord* find(std::string_view group, std::uint32_t expert) const;
};

// Error(kInput) when it is no index, of another version, was changed by another hand, or says what cannot be: sizes,
// counts of tokens, one Hessian or file twice.
HessianIndex parse_hessian_index(std::string_view text);
std::string dump_hessian_index(const HessianIndex& index);

// Names identity and Hessians, whatever the order in which they were collected.
std::string content_hash(const HessianIndex& index);

}  // namespace quern
