// What is no tensor (header, vocabulary, padding) hardly depends on the plan: what one plan has more or less of it than
// was counted is taken off the next one's budget, or added.
#include "plan/size_search.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace {

constexpr int kRounds = 32;            // each takes the bytes that the one before was too large off its budget
constexpr double kFullEnough = 0.995;  // of the size
constexpr std::uint64_t kNotWorthARound = 10'000;  // left over: such a part of the size
constexpr std::size_t kCurvePoints = 64;

SizedPlan smallest_plan(const SizeSearch& search) {
  std::optional<SizedPlan> smallest = fit_plan(
      search.base, search.options, least_tensor_bytes(search.base, search.options, search.rules), search.rules);
  ensure(smallest.has_value(), "{} steps have no smallest plan", search.options.size());
  smallest->file_bytes = search.file_bytes(smallest->plan);
  return std::move(*smallest);
}

// The plan of the smallest options, where its files are small enough. Error(kInfeasible) with their size.
SizedPlan fitting_smallest_plan(const SizeSearch& search) {
  SizedPlan smallest = smallest_plan(search);
  if (smallest.file_bytes > search.most)
    fail(ErrorCode::kInfeasible,
         "a size of {} bytes is too small for this model in {}: the least is {} bytes, with a predicted mean KL "
         "divergence of {:.2g} nats; ask for that much, or make the model smaller first",
         search.most, search.base.format, smallest.file_bytes, smallest.kld);
  return smallest;
}

bool is_full(std::uint64_t bytes, std::uint64_t most) {
  return static_cast<double>(bytes) >= kFullEnough * static_cast<double>(most);
}

// One that is too large, or leaves much over since it has less beside its tensors than the one before, says what to
// count for that in the next.
SizedPlan find_plan(const SizeSearch& search) {
  const std::uint64_t base_bytes = search.file_bytes(search.base), in_tensors = search.base.tensor_bytes();
  std::uint64_t beside = base_bytes - std::min(base_bytes, in_tensors);
  std::optional<SizedPlan> best;
  for (int round = 0; round < kRounds && beside <= search.most; ++round) {
    std::optional<SizedPlan> sized = fit_plan(search.base, search.options, search.most - beside, search.rules);
    if (!sized) break;
    sized->file_bytes = search.file_bytes(sized->plan);
    const std::uint64_t own = sized->file_bytes - sized->plan.tensor_bytes();
    const bool fits = sized->file_bytes <= search.most, has_room = own < beside;
    if (best && !(fits && sized->kld < best->kld)) break;
    if (fits) {
      best = std::move(sized);
      if (!has_room || search.most - best->file_bytes <= search.most / kNotWorthARound) break;
    }
    beside = own;
  }
  return best ? std::move(*best) : fitting_smallest_plan(search);
}

std::vector<std::string> notes_of(const SizeSearch& search, const SizedPlan& sized) {
  const std::uint64_t bytes = sized.file_bytes;
  std::vector<std::string> notes = {fmt::format(
      "the number formats of {} matrices were chosen for a size of at most {} bytes: {} bytes, predicted mean KL "
      "divergence {:.4f} nats on the gate text",
      search.options.size(), search.most, bytes, sized.kld)};
  if (search.source_bytes && search.most > search.source_bytes)
    notes.push_back(fmt::format("the source itself is smaller than the size that was asked for: {} of {} bytes{}",
                                search.source_bytes, search.most, sized.kld == 0 ? "; it is packed without loss" : ""));
  if (is_full(bytes, search.most)) return notes;
  const bool is_finest = sized.kld == least_loss(search.base, search.options, search.rules);
  notes.push_back(fmt::format("{} bytes are left over: {}", search.most - bytes,
                              is_finest ? "every matrix already has the most precise number format that serves it"
                              : search.rules.couplings.empty()
                                  ? "no matrix has a more precise number format that would fit in them"
                                  : "no matrices have a more precise number format that would fit in them "
                                    "and that programs load beside those of the others"));
  return notes;
}

}  // namespace

SizedPlan search_size(const SizeSearch& search) {
  SizedPlan sized = find_plan(search);
  const std::vector<std::string> notes = notes_of(search, sized);
  sized.plan = with_notes(std::move(sized.plan), notes);
  return sized;
}

std::uint64_t least_bytes(const SizeSearch& search) { return smallest_plan(search).file_bytes; }

SizeChoice size_choice(const SizeSearch& search, const SizedPlan& sized) {
  const std::uint64_t bytes = sized.file_bytes, in_tensors = sized.plan.tensor_bytes();
  SizeChoice choice{
      search.most, {bytes, sized.kld}, size_curve(search.base, search.options, kCurvePoints, search.rules)};
  for (SizePoint& point : choice.curve) point.bytes += bytes - std::min(bytes, in_tensors);
  return choice;
}

}  // namespace quern
