// Factors are made once a group and kept while the matrices that share it are encoded.
#include "optim/inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace {

constexpr double kNoticeableDamping = 0.1;  // of the mean diagonal
constexpr std::size_t kNamedInputs = 3;     // of those that a note is about

std::uint64_t bytes_of(const InputContext& context) {
  const std::uint64_t columns = context.moments.size();
  if (!context.hessian) return columns * sizeof(float);
  return 2 * columns * (columns + TiledMatrix::kTile) * sizeof(float) + context.order->bytes();
}

}  // namespace

Inputs::Inputs(const Statistics& statistics, const HessianStore* hessians, std::uint64_t memory)
    : statistics_(&statistics), hessians_(hessians), memory_(memory) {}

std::shared_ptr<const InputContext> Inputs::prepare(const Weight& weight, std::size_t expert) const {
  const std::span<const double> moments =
      statistics_ ? moments_of(*statistics_, weight, expert) : std::span<const double>();
  std::optional<ChosenHessian> chosen;
  if (hessians_ && !moments.empty()) chosen = hessian_of(*hessians_, weight, expert);
  if (!chosen) return std::make_shared<const InputContext>(input_context(moments));
  const Hessian& hessian = chosen->hessian;
  const std::uint64_t needed = factorisation_bytes(hessian.columns);
  if (needed > memory_)
    return noted(weight.group, expert,
                 input_context(moments, {std::nullopt, fmt::format("its factors take {} MB, and {} MB are allowed",
                                                                   needed >> 20, memory_ >> 20)}));
  return noted(weight.group, expert, input_context(moments, factorise(hessian)));
}

std::shared_ptr<const InputContext> Inputs::noted(const std::string& group, std::size_t expert,
                                                  InputContext context) const {
  const std::string where = expert == 0 ? group : fmt::format("{}, expert {}", group, expert);
  if (!context.hessian)
    notes_[{group, expert}] = {where, fmt::format("no error feedback, since {}", context.why_no_hessian)};
  else if (context.hessian->damping() > kNoticeableDamping)
    notes_[{group, expert}] = {
        where, fmt::format("a damping of {:.0f}% of the Hessian's mean", 100 * context.hessian->damping())};
  return std::make_shared<const InputContext>(std::move(context));
}

std::shared_ptr<const InputContext> Inputs::of(const Weight& weight, std::size_t expert) const {
  const Key key{weight.group, weight.group.empty() ? 0 : expert};
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(recent_, key, &Entry::key);
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
    return recent_.front().context;
  }
  recent_.push_front({key, prepare(weight, expert)});
  std::uint64_t bytes = 0;
  for (auto entry = recent_.begin(); entry != recent_.end();) {
    bytes += bytes_of(*entry->context);
    entry = bytes > memory_ && entry != recent_.begin() ? recent_.erase(entry) : std::next(entry);
  }
  return recent_.front().context;
}

std::vector<std::string> Inputs::notes() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::vector<std::string>> readers;  // of each remark, whose inputs it is about
  for (const auto& [key, note] : notes_) readers[note.remark].push_back(note.where);
  std::vector<std::string> all;
  for (const auto& [remark, inputs] : readers) {
    const std::size_t named = std::min(kNamedInputs, inputs.size());
    std::string names =
        fmt::format("{}", fmt::join(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(named), ", "));
    if (named < inputs.size()) names += fmt::format(" and {} more", inputs.size() - named);
    all.push_back(fmt::format("matrices that read {}: {}", names, remark));
  }
  return all;
}

}  // namespace quern
