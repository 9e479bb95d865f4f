// What is no tensor (header, vocabulary, padding) hardly depends on the plan: what one plan has more than it should is
// taken off the next one's budget.
#include "pipeline/size_search.h"

#include <algorithm>

#include "quern/error.h"

namespace quern {
namespace {

constexpr int kRounds = 32;            // each takes the bytes that the one before was too large off its budget
constexpr double kFullEnough = 0.995;  // of the size
constexpr std::size_t kCurvePoints = 64;

SizedPlan smallest_plan(const SizeSearch& search) {
  std::optional<SizedPlan> smallest =
      fit_plan(search.base, search.options, least_tensor_bytes(search.base, search.options));
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

SizedPlan find_plan(const SizeSearch& search) {
  const std::uint64_t base_bytes = search.file_bytes(search.base), in_tensors = search.base.tensor_bytes();
  std::uint64_t beside = base_bytes - std::min(base_bytes, in_tensors);
  for (int round = 0; round < kRounds && beside <= search.most; ++round) {
    std::optional<SizedPlan> sized = fit_plan(search.base, search.options, search.most - beside);
    if (!sized) break;
    sized->file_bytes = search.file_bytes(sized->plan);
    if (sized->file_bytes <= search.most) return std::move(*sized);
    beside = sized->file_bytes - sized->plan.tensor_bytes();
  }
  return fitting_smallest_plan(search);
}

void describe(const SizeSearch& search, SizedPlan& sized) {
  const std::uint64_t bytes = sized.file_bytes;
  sized.plan.notes.push_back(fmt::format(
      "the number formats of {} matrices were chosen for a size of at most {} bytes: {} bytes, predicted mean KL "
      "divergence {:.4f} nats on the gate text",
      search.options.size(), search.most, bytes, sized.kld));
  if (search.source_bytes && search.most > search.source_bytes)
    sized.plan.notes.push_back(fmt::format("a size of {} bytes is more than the original's {} bytes{}", search.most,
                                           search.source_bytes, sized.kld == 0 ? ": nothing is lost" : ""));
  if (static_cast<double>(bytes) >= kFullEnough * static_cast<double>(search.most)) return;
  const bool is_finest = sized.kld == least_loss(search.options);
  sized.plan.notes.push_back(fmt::format("{} bytes are left over: {}", search.most - bytes,
                                         is_finest
                                             ? "every matrix already has the most precise number format that serves it"
                                             : "no matrix has a more precise number format that would fit in them"));
}

}  // namespace

SizedPlan search_size(const SizeSearch& search) {
  SizedPlan sized = find_plan(search);
  describe(search, sized);
  return sized;
}

std::uint64_t least_bytes(const SizeSearch& search) { return smallest_plan(search).file_bytes; }

SizeChoice size_choice(const SizeSearch& search, const SizedPlan& sized) {
  const std::uint64_t bytes = sized.file_bytes, in_tensors = sized.plan.tensor_bytes();
  SizeChoice choice{
      search.most, {bytes, sized.kld}, size_curve(search.base, search.options, kCurvePoints), sized.shares};
  for (SizePoint& point : choice.curve) point.bytes += bytes - std::min(bytes, in_tensors);
  return choice;
}

}  // namespace quern
