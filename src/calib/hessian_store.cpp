// Found in the index, checked when read.
#include "calib/hessian_store.h"

#include <algorithm>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/hessian_writer.h"

namespace quern {
namespace {

// A group has its experts from the first one on, and a mixture the Hessian of all of their tokens.
void check_whole(const HessianIndex& index) {
  const auto end = index.shards.end();
  for (auto at = index.shards.begin(); at != end;) {
    const std::string& group = at->first.first;
    std::uint64_t experts = 0, tokens = 0;
    const auto is_here = [&](std::uint64_t expert) { return at != end && at->first == ShardKey(group, expert); };
    for (; is_here(experts); ++at, ++experts) tokens += at->second.head.tokens;
    const bool has_pooled = is_here(kAllExperts);
    const bool agrees = !has_pooled || at->second.head.tokens == tokens;
    if (has_pooled) ++at;
    if (experts == 0 || has_pooled != (experts > 1) || !agrees || (at != end && at->first.first == group))
      fail(ErrorCode::kInput, "the Hessians of {} are incomplete", group);
  }
}

}  // namespace

HessianIdentity hessian_identity(std::string model, const Windows& windows, Precision precision,
                                 std::string text_name) {
  return {std::move(model),
          sha256_of(std::as_bytes(std::span(windows.ids))),
          windows.count(),
          windows.length,
          std::string(to_string(precision)),
          std::move(text_name)};
}

HessianStore::HessianStore(std::filesystem::path folder, const HessianIdentity& expected)
    : HessianStore(std::move(folder), expected, Text::kExpected) {}

HessianStore::HessianStore(std::filesystem::path folder, const std::string& model)
    : HessianStore(std::move(folder),
                   HessianIdentity{.model = model, .windows_sha256 = {}, .precision = {}, .text_name = {}},
                   Text::kAny) {}

HessianStore::HessianStore(std::filesystem::path folder, const HessianIdentity& expected, Text text)
    : folder_(std::move(folder)) {
  with_context("while opening the statistics store " + folder_.string(), [&] {
    index_ = parse_hessian_index(read_text(folder_ / kIndexName));
    HessianIdentity wanted = text == Text::kExpected ? expected : index_.identity;
    wanted.model = expected.model;
    if (const std::string differs = difference(index_.identity, wanted); !differs.empty())
      fail(ErrorCode::kInput, "a statistics store of another model or text: {}", differs);
    if (!index_.finished) fail(ErrorCode::kInput, "its collection was not finished");
    check_whole(index_);
    for (const auto& [key, record] : index_.shards) open(record);
  });
}

ShardFile HessianStore::open(const ShardRecord& record) const {
  return ShardFile(folder_ / record.file_name(), record.head);
}

std::size_t HessianStore::experts(std::string_view group) const {
  std::uint32_t experts = 0;
  while (index_.find(group, experts)) ++experts;
  return experts;
}

std::uint64_t HessianStore::tokens(std::string_view group, std::uint32_t expert) const {
  const ShardRecord* record = index_.find(group, expert);
  return record ? record->head.tokens : 0;
}

std::optional<Hessian> HessianStore::read(std::string_view group, std::uint32_t expert) const {
  const ShardRecord* record = index_.find(group, expert);
  if (!record) return std::nullopt;
  return open(*record).hessian(record->hashes.all);
}

std::optional<InputMoments> HessianStore::read_moments(std::string_view group, std::uint32_t expert) const {
  const ShardRecord* record = index_.find(group, expert);
  if (!record) return std::nullopt;
  return InputMoments{open(*record).moments(record->hashes.moments), record->head.tokens};
}

std::optional<ChosenHessian> hessian_of(const HessianStore& store, const Weight& weight, std::size_t expert) {
  const std::size_t experts = weight.group.empty() ? 0 : store.experts(weight.group);
  if (experts == 0) return std::nullopt;
  if (experts == 1) return ChosenHessian{*store.read(weight.group)};
  const auto own = static_cast<std::uint32_t>(expert);
  ensure(expert < experts, "expert {} of {} in {}", expert, experts, weight.group);
  if (store.tokens(weight.group, own) >= std::max<std::uint64_t>(kFewestTokens, weight.axes.back().extent))
    return ChosenHessian{*store.read(weight.group, own)};
  return ChosenHessian{*store.read(weight.group, kAllExperts), ChosenHessian::Source::kPooled};
}

Statistics statistics_of(const HessianStore& store) {
  Statistics statistics;
  statistics.text_name = store.identity().text_name;
  statistics.windows = store.identity().windows;
  statistics.window_length = store.identity().window_length;
  for (const auto& [key, record] : store.shards())
    if (key.second != kAllExperts)
      statistics.groups[key.first].experts.push_back(*store.read_moments(key.first, key.second));
  for (auto& [name, group] : statistics.groups) group.pooled = pool_moments(group.experts);
  return statistics;
}

}  // namespace quern
