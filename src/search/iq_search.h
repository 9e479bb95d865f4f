// Fit and round of a grid format (iq1 to iq3 of GGUF): every granule is rounded to the entries of least error among
// all; the scales of a block are chosen among those that the best entries under a ladder of scales would like
// (iq_scale_search.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "base/scalars.h"
#include "search/iq_granule.h"
#include "search/iq_index.h"
#include "search/iq_scale_search.h"

namespace quern {

// Eight granules under a scale each.
template <std::size_t kGranule>
struct GridQuestion {
  std::array<Lanes, kGranule> w{}, wx{};
  IntLanes odd{};  // -1 where the number of negative weights is odd
  Lanes scale{};

  void set(std::size_t lane, const GridGranule<kGranule>& granule, float its_scale) {
    for (std::size_t k = 0; k < kGranule; ++k) w[k][lane] = granule.w[k], wx[k][lane] = granule.wx[k];
    odd[lane] = granule.is_odd() ? -1 : 0;
    scale[lane] = its_scale;
  }
  void set_all(const GridGranule<kGranule>& granule, Lanes scales) {
    for (std::size_t k = 0; k < kGranule; ++k) w[k] = all_lanes(granule.w[k]), wx[k] = all_lanes(granule.wx[k]);
    odd = IntLanes{} - granule.is_odd();
    scale = scales;
  }
};

// One grid and the values of its places: several lists of values stand for as many grids behind each other.
template <const GridShape& kShape>
class GridSearch {
 public:
  static constexpr std::size_t kParts = kShape.granule / kShape.places;
  using Index = GridIndex<kShape.places, kShape.levels, kShape.entries>;
  using Levels = std::array<float, kShape.levels>;
  using Granule = GridGranule<kShape.granule>;
  using Question = GridQuestion<kShape.granule>;

  // Entries of the parts of eight granules, and the sums of w x v and w v^2.
  struct Answer {
    std::array<IntLanes, kParts> entries;
    IntLanes negated{};  // the part in which one weight is stored with the other sign; -1: none
    Lanes xv{}, vv{};

    Lanes loss(Lanes scale) const { return scale * (scale * vv - 2.0f * xv); }
  };

  GridSearch(const std::array<std::uint16_t, kShape.entries>& grid, std::span<const Levels> lists)
      : index_(grid), lists_(lists.begin(), lists.end()), rows_(lists.size() * kShape.entries) {
    for (std::size_t e = 0; e < rows_.size(); ++e)
      for (std::size_t k = 0; k < kShape.places; ++k)
        rows_[e][k] = lists[e / kShape.entries][place(grid[e % kShape.entries], k)];
  }

  // Among the entries of `count` lists.
  Answer ask(const Question& question, std::size_t first, std::size_t count) const {
    Answer best = ask_list(question, first);
    for (std::size_t list = first + 1; list < first + count; ++list)
      best = better(best, ask_list(question, list), question.scale);
    return best;
  }

  // Where a weight of an entry is negated.
  std::size_t cheapest(std::size_t entry, const float* wx) const {
    std::size_t least = 0;
    for (std::size_t k = 1; k < kShape.places; ++k)
      if (wx[k] * rows_[entry][k] < wx[least] * rows_[entry][least]) least = k;
    return least;
  }

 private:
  static unsigned place(unsigned entry, std::size_t k) {
    constexpr unsigned kBits = 16 / kShape.places;
    return entry >> (kBits * k) & ((1u << kBits) - 1);
  }

  // Sums of one part under the entries of eight lanes.

  struct Sums {
    Lanes xv{}, vv{}, negation{};  // negation: what xv loses where a weight is negated
  };
  Sums sums_of(const Question& question, std::size_t p, IntLanes entry) const {
    std::array<Lanes, kLanes> rows;
    for (std::size_t lane = 0; lane < kLanes; ++lane) rows[lane] = rows_[static_cast<std::size_t>(entry[lane])];
    const std::array<Lanes, kLanes> values = transposed(rows);
    Sums sums;
    for (std::size_t k = 0; k < kShape.places; ++k) {
      const Lanes xv = question.wx[p * kShape.places + k] * values[k];
      sums.xv += xv;
      sums.vv = fused(question.w[p * kShape.places + k] * values[k], values[k], sums.vv);
      sums.negation = k == 0 ? xv : lane_min(xv, sums.negation);
    }
    return sums;
  }

  Answer ask_list(const Question& question, std::size_t list) const {
    const std::int32_t offset = static_cast<std::int32_t>(list * kShape.entries);
    if constexpr (kShape.signs == GridSigns::kEven) {
      if (lane_bits(question.odd)) return ask_odd(question);
    }
    Answer answer{.entries = {}, .negated = IntLanes{} - 1};
    for (std::size_t p = 0; p < kParts; ++p) {
      answer.entries[p] =
          offset + index_.nearest(part(question.w, p), part(question.wx, p), question.scale, lists_[list]);
      const Sums sums = sums_of(question, p, answer.entries[p]);
      answer.xv += sums.xv, answer.vv += sums.vv;
    }
    return answer;
  }

  // Lanes that are odd have a weight negated in one of their parts.
  Answer ask_odd(const Question& question) const {
    std::array<typename Index::Nearest, kParts> nearest;
    std::array<Sums, kParts> plain, negated;
    for (std::size_t p = 0; p < kParts; ++p) {
      nearest[p] = index_.nearest_both(part(question.w, p), part(question.wx, p), question.scale, lists_[0]);
      plain[p] = sums_of(question, p, nearest[p].entry);
      negated[p] = sums_of(question, p, nearest[p].negated);
      negated[p].xv -= 2.0f * negated[p].negation;
    }
    Answer answer{.entries = {}, .negated = IntLanes{} - 1};
    for (std::size_t p = 0; p < kParts; ++p) {
      answer.entries[p] = nearest[p].entry;
      answer.xv += plain[p].xv, answer.vv += plain[p].vv;
    }
    Lanes least = question.odd != 0 ? all_lanes(std::numeric_limits<float>::infinity())
                                    : Lanes{} - std::numeric_limits<float>::infinity();
    for (std::size_t n = 0; n < kParts; ++n) {
      Answer other{.entries = {}, .negated = IntLanes{} + static_cast<std::int32_t>(n)};
      for (std::size_t p = 0; p < kParts; ++p) {
        other.entries[p] = p == n ? nearest[p].negated : nearest[p].entry;
        const Sums& sums = p == n ? negated[p] : plain[p];
        other.xv += sums.xv, other.vv += sums.vv;
      }
      const Lanes loss = other.loss(question.scale);
      const IntLanes is_less = loss < least;
      least = is_less ? loss : least;
      take(is_less, other, answer);
    }
    return answer;
  }

  static void take(IntLanes where, const Answer& from, Answer& to) {
    for (std::size_t p = 0; p < kParts; ++p) to.entries[p] = where ? from.entries[p] : to.entries[p];
    to.negated = where ? from.negated : to.negated;
    to.xv = where ? from.xv : to.xv;
    to.vv = where ? from.vv : to.vv;
  }

  static Answer better(const Answer& a, const Answer& b, Lanes scale) {
    Answer best = a;
    take(b.loss(scale) < a.loss(scale), b, best);
    return best;
  }

  static std::span<const Lanes, kShape.places> part(const std::array<Lanes, kShape.granule>& all, std::size_t p) {
    return std::span(all).subspan(p * kShape.places).template first<kShape.places>();
  }

  Index index_;
  std::vector<Levels> lists_;
  std::vector<Lanes> rows_;  // values of the entries of all lists
};

}  // namespace quern
