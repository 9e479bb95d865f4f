// The fit and round steps of a Codec for a grid format, given a description of it:
//   kShape    its GridShape
//   kGrid     packed entries (iq_grids.h)
//   kLists    lists of the values of their places, those of the first grid first
#pragma once

#include "base/bytes.h"
#include "codec/codec.h"
#include "search/iq_grids.h"
#include "search/iq_search.h"

namespace quern {

// A code stands in the place of the first weight of an entry: its number, and from this bit on the signs.
inline constexpr unsigned kGridSigns = 16;
inline unsigned grid_entry(std::int32_t code) { return static_cast<unsigned>(code) & ((1u << kGridSigns) - 1); }
inline unsigned grid_signs(std::int32_t code) { return static_cast<unsigned>(code) >> kGridSigns; }

template <typename Format>
class GridRow {
  static constexpr const GridShape& kShape = Format::kShape;
  static constexpr unsigned kBits = 16 / kShape.places;
  static constexpr std::size_t kGranule = kShape.granule, kGranules = kGridBlock / kGranule,
                               kRunGranules = kShape.run / kGranule;
  using Search = GridSearch<Format::kShape>;
  using Granule = typename Search::Granule;
  using Floats = std::span<const float>;

 public:
  static void fit(const Codec&, Floats weights, Floats importance, std::byte* side) {
    const std::array<Granule, kGranules> granules = granules_of(weights, importance);
    std::array<GranuleSums, kShape.grids * kGranules> sums;
    for (std::size_t g = 0; g < kGranules; g += kRunGranules) {
      const std::span run = std::span(granules).subspan(g, kRunGranules);
      const Lanes scales = ladder(run);
      for (std::size_t grid = 0; grid < kShape.grids; ++grid)
        for (std::size_t k = 0; k < kRunGranules; ++k) sums[grid * kGranules + g + k] = sums_of(run[k], scales, grid);
    }
    constexpr std::size_t kRuns = kGridBlock / kShape.run;
    store(side, choose_grid_scales({kRuns, kRunGranules, kShape.grids, kShape.scales, kShape.unit, sums}));
  }

  static void round(const Codec&, const std::byte* side, std::uint32_t first, Floats weights, Floats importance,
                    std::span<std::int32_t> codes, std::span<float> values) {
    const auto chosen = load<GridSide>(side);
    for (std::size_t k = 0; k < weights.size();) {
      const std::size_t most = std::min(kLanes * kGranule, weights.size() - k),
                        grid = chosen.grids[(first + k) / kShape.run];
      std::size_t count = kGranule;
      while (count < most && chosen.grids[(first + k + count) / kShape.run] == grid) count += kGranule;
      round_some(chosen, first + k, weights.subspan(k, count), part(importance, k, count), codes.subspan(k, count),
                 values.empty() ? values : values.subspan(k, count));
      k += count;
    }
  }

 private:
  static Floats part(Floats importance, std::size_t first, std::size_t count) {
    return importance.empty() ? importance : importance.subspan(first, count);
  }

  static float scale_of(const GridSide& side, std::size_t j) {
    return f16_to_f32(side.d) * (kShape.unit * (static_cast<float>(side.scales[j]) + 0.5f));
  }

  // Units become shares of the largest.
  static std::array<Granule, kGranules> granules_of(Floats weights, Floats importance) {
    std::array<Granule, kGranules> granules;
    float unit = 0;
    for (std::size_t g = 0; g < kGranules; ++g) {
      const std::size_t first = g * kGranule;
      granules[g] = Granule(weights.subspan(first, kGranule), part(importance, first, kGranule), kShape.signs);
      unit = std::max(unit, granules[g].unit);
    }
    for (Granule& granule : granules)
      granule.unit = unit == 0 ? 1 : granule.unit == 0 ? kLeastImportance : granule.unit / unit;
    return granules;
  }

  // Around the scale that gives the values in use the power of the weights. Where all magnitudes are nearly the same,
  // around that of the entry whose values are all the least, which every grid has.
  static Lanes ladder(std::span<const Granule> run) {
    constexpr Lanes kSteps = {0.58f, 0.7f, 0.8f, 0.89f, 0.98f, 1.08f, 1.2f, 1.38f};
    constexpr double kFlat = 0.99;
    double power = 0, sum = 0, weight = 0;
    for (const Granule& granule : run) {
      for (std::size_t k = 0; k < kGranule; ++k) {
        const double w = granule.w[k] * granule.unit;
        power += w * granule.x[k] * granule.x[k];
        sum += w * granule.x[k];
        weight += w;
      }
    }
    const bool is_flat = kShape.signs != GridSigns::kNone && sum * sum > kFlat * power * weight;
    const float typical = is_flat ? Format::kLists[0][0] : kShape.typical;
    return kSteps * (static_cast<float>(std::sqrt(power / weight)) / typical);
  }

  static GranuleSums sums_of(const Granule& granule, Lanes scales, std::size_t grid) {
    typename Search::Question question;
    question.set_all(granule, scales);
    const auto answer = search().ask(question, grid * kShape.lists, kShape.lists);
    return {answer.xv * granule.unit, answer.vv * granule.unit};
  }

  // Eight granules at most, of one grid.
  static void round_some(const GridSide& side, std::size_t column, Floats weights, Floats importance,
                         std::span<std::int32_t> codes, std::span<float> values) {
    typename Search::Question question;
    std::array<Granule, kLanes> granules;
    const std::size_t grid = side.grids[column / kShape.run], count = weights.size() / kGranule;
    for (std::size_t g = 0; g < count; ++g) {
      const std::size_t first = g * kGranule;
      granules[g] = Granule(weights.subspan(first, kGranule), part(importance, first, kGranule), kShape.signs);
      question.set(g, granules[g], scale_of(side, (column + first) / kShape.run));
    }
    const auto answer = search().ask(question, grid * kShape.lists, kShape.lists);
    std::ranges::fill(codes, 0);
    for (std::size_t k = 0; k < weights.size(); k += kShape.places) {
      const std::size_t g = k / kGranule, p = k % kGranule / kShape.places;
      const auto entry = static_cast<std::size_t>(answer.entries[p][g]);
      unsigned signs = granules[g].negative >> (p * kShape.places) & ((1u << kShape.places) - 1);
      if (answer.negated[g] == static_cast<std::int32_t>(p))
        signs ^= 1u << search().cheapest(entry, &granules[g].wx[p * kShape.places]);
      const std::size_t in_grid = entry - grid * kShape.lists * kShape.entries;
      codes[k] = static_cast<std::int32_t>(in_grid | signs << kGridSigns);
      if (!values.empty())
        decode_entry<kBits>(Format::kGrid[entry % kShape.entries], Format::kLists[entry / kShape.entries], signs,
                            question.scale[g], &values[k]);
    }
  }

  // Made when first asked for, constant from then on.
  static const Search& search() {
    static const Search made(Format::kGrid, Format::kLists);
    return made;
  }
};

}  // namespace quern
