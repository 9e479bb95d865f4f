// The nearest entry of a grid (iq_grids.h), for eight sets of weights, or eight scales of one, side by side.
//
// Under a scale s the values v of an entry cost sum w (x - s v)^2, less sum w x^2: a sum over the places. So it is the
// cost of the first half of the places and that of the second, each of which has few forms (81 of four places of three
// levels). Costs of all forms are made first; what is left is, for every form of the first half, the least cost among
// the forms of the second that the grid has beside it: one load and one minimum an entry.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "search/lanes.h"

namespace quern {

template <std::size_t kPlaces, std::size_t kLevels, std::size_t kEntries>
class GridIndex {
 public:
  using Levels = std::span<const float, kLevels>;
  using Places = std::span<const Lanes, kPlaces>;

  struct Nearest {
    IntLanes entry;
    IntLanes negated;  // the best where one weight, that where it costs least, is stored with the other sign
  };

  // Places of an entry: numbers of 16 / kPlaces bits, the first lowest.
  explicit GridIndex(const std::array<std::uint16_t, kEntries>& grid) {
    std::array<std::array<std::uint16_t, kForms>, kForms> at{};
    for (std::size_t e = 0; e < kEntries; ++e)
      at[form(grid[e], 0)][form(grid[e], kHalf)] = static_cast<std::uint16_t>(e + 1);
    std::uint16_t count = 0;
    for (std::size_t a = 0; a < kForms; ++a) {
      starts_[a] = count;
      for (std::size_t b = 0; b < kForms; ++b) {
        entries_[a][b] = at[a][b] ? static_cast<std::uint16_t>(at[a][b] - 1) : std::uint16_t{0};
        if (at[a][b]) seconds_[count++] = static_cast<std::uint16_t>(b * sizeof(Lanes));
      }
      for (; count % kStride; ++count) seconds_[count] = seconds_[count - 1];
    }
    starts_[kForms] = count;
  }

  // w: importance, wx: importance times weight.
  IntLanes nearest(Places w, Places wx, Lanes scale, Levels levels) const {
    Forms first, second, least;
    costs(w, wx, scale, levels, 0, first);
    costs(w, wx, scale, levels, kHalf, second);
    for (std::size_t b = 0; b < kForms; ++b) second[b] = tagged(second[b], b);
    Lanes best = all_lanes(std::numeric_limits<float>::infinity());
    for (std::size_t a = 0; a < kForms; ++a) {
      least[a] = least_beside(a, second);
      best = lane_min(tagged(first[a] + least[a], a), best);
    }
    return entry_of(best, least);
  }

  // The same, and with one weight negated. REQUIRES: wx and levels are not negative.
  Nearest nearest_both(Places w, Places wx, Lanes scale, Levels levels) const {
    Forms first, second, first_negated, second_negated, least, least_negated;
    costs(w, wx, scale, levels, 0, first);
    costs(w, wx, scale, levels, kHalf, second);
    add_negation(wx, scale, levels, 0, first, first_negated);
    add_negation(wx, scale, levels, kHalf, second, second_negated);
    for (std::size_t b = 0; b < kForms; ++b) {
      second[b] = tagged(second[b], b);
      second_negated[b] = tagged(second_negated[b], b);
    }
    const Lanes infinity = all_lanes(std::numeric_limits<float>::infinity());
    Lanes best = infinity, best_first = infinity, best_second = infinity;
    for (std::size_t a = 0; a < kForms; ++a) {
      least[a] = least_beside(a, second), least_negated[a] = least_beside(a, second_negated);
      best = lane_min(tagged(first[a] + least[a], a), best);
      best_first = lane_min(tagged(first_negated[a] + least[a], a), best_first);
      best_second = lane_min(tagged(first[a] + least_negated[a], a), best_second);
    }
    const IntLanes in_first = entry_of(best_first, least), in_second = entry_of(best_second, least_negated);
    return {entry_of(best, least), best_first < best_second ? in_first : in_second};
  }

 private:
  static constexpr std::size_t kHalf = kPlaces / 2;
  static constexpr std::size_t kForms = [] {
    std::size_t forms = 1;
    for (std::size_t k = 0; k < kHalf; ++k) forms *= kLevels;
    return forms;
  }();
  // The lowest bits of a cost make room for the number of its form: costs that agree in 17 bits count as equal.
  static constexpr std::int32_t kTag = 127;
  static_assert(kForms <= kTag + 1);
  static constexpr std::size_t kStride = 4;
  using Forms = std::array<Lanes, kForms>;

  static std::size_t form(unsigned entry, std::size_t first) {
    constexpr unsigned kBits = 16 / kPlaces;
    std::size_t number = 0;
    for (std::size_t k = first; k < first + kHalf; ++k)
      number = number * kLevels + (entry >> (kBits * k) & ((1u << kBits) - 1));
    return number;
  }

  static Lanes tagged(Lanes cost, std::size_t number) {
    return reinterpret_cast<Lanes>((reinterpret_cast<IntLanes>(cost) & ~kTag) | static_cast<std::int32_t>(number));
  }

  // From numbers of the forms of some places to those of one place more.
  template <typename Join>
  static void extend(std::size_t& count, const std::array<Lanes, kLevels>& place, Forms& forms, Join join) {
    for (std::size_t i = count; i-- > 0;)
      for (std::size_t level = kLevels; level-- > 0;) forms[i * kLevels + level] = join(forms[i], place[level]);
    count *= kLevels;
  }

  static void costs(Places w, Places wx, Lanes scale, Levels levels, std::size_t first, Forms& out) {
    const Lanes square = scale * scale, twice = -2.0f * scale;
    std::size_t count = 1;
    out[0] = Lanes{};
    for (std::size_t k = first; k < first + kHalf; ++k) {
      std::array<Lanes, kLevels> place;
      for (std::size_t level = 0; level < kLevels; ++level) {
        const float value = levels[level];
        place[level] = fused(square, w[k] * (value * value), twice * (wx[k] * value));
      }
      extend(count, place, out, [](Lanes a, Lanes b) { return a + b; });
    }
  }

  static void add_negation(Places wx, Lanes scale, Levels levels, std::size_t first, const Forms& forms, Forms& out) {
    std::size_t count = 1;
    out[0] = all_lanes(std::numeric_limits<float>::infinity());
    for (std::size_t k = first; k < first + kHalf; ++k) {
      std::array<Lanes, kLevels> place;
      for (std::size_t level = 0; level < kLevels; ++level) place[level] = wx[k] * levels[level];
      extend(count, place, out, [](Lanes a, Lanes b) { return lane_min(a, b); });
    }
    for (std::size_t a = 0; a < kForms; ++a) out[a] = fused(4.0f * scale, out[a], forms[a]);
  }

  // The least cost of the second half beside form `a` of the first; infinity where there is none.
  Lanes least_beside(std::size_t a, const Forms& second) const {
    Lanes even = all_lanes(std::numeric_limits<float>::infinity()), odd = even;
    const auto* bytes = reinterpret_cast<const std::byte*>(second.data());
    const auto cost = [&](std::uint16_t at) { return load_lanes(reinterpret_cast<const float*>(bytes + at)); };
    const std::uint16_t* end = &seconds_[starts_[a + 1]];
    for (const std::uint16_t* b = &seconds_[starts_[a]]; b != end; b += kStride) {
      even = lane_min(cost(b[0]), even), odd = lane_min(cost(b[1]), odd);
      even = lane_min(cost(b[2]), even), odd = lane_min(cost(b[3]), odd);
    }
    return lane_min(even, odd);
  }

  IntLanes entry_of(Lanes best, const Forms& least) const {
    IntLanes entry{};
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto a = static_cast<std::size_t>(reinterpret_cast<IntLanes>(best)[lane] & kTag) % kForms;
      const auto b = static_cast<std::size_t>(reinterpret_cast<IntLanes>(least[a])[lane] & kTag) % kForms;
      entry[lane] = entries_[a][b];
    }
    return entry;
  }

  std::array<std::uint16_t, kForms + 1> starts_;
  // Where the forms of second halves beside each of the first lie in a Forms; the last is repeated to a multiple of
  // kStride.
  std::array<std::uint16_t, kEntries + (kStride - 1) * kForms> seconds_;
  std::array<std::array<std::uint16_t, kForms>, kForms> entries_;  // 0 where the grid has none
};

}  // namespace quern
