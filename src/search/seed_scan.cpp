// Vectors of 256 bits, and the choice.
#include "search/seed_scan.h"

#include <algorithm>
#include <vector>

#include "base/cpu.h"
#include "base/fail.h"
#include "search/lanes.h"

namespace quern {
namespace {

template <std::size_t length, std::size_t coefficients>
std::size_t first_hit(const float* table, std::size_t from, std::size_t to, const float* values, const float* least,
                      std::uint32_t& hits) {
  Lanes vector[length];
  for (std::size_t c = 0; c < length; ++c) vector[c] = load_lanes(values + c * kLanes);
  const Lanes bound = load_lanes(least);
  for (std::size_t seed = from; seed < to; ++seed) {
    const float* q = table + seed / kSeedGroup * kSeedGroup * length * coefficients + seed % kSeedGroup;
    Lanes sums[coefficients]{};
    for (std::size_t c = 0; c < length; ++c)
      for (std::size_t p = 0; p < coefficients; ++p, q += kSeedGroup)
        sums[p] = fused(all_lanes(*q), vector[c], sums[p]);
    Lanes total = sums[0] * sums[0];
    for (std::size_t p = 1; p < coefficients; ++p) total = fused(sums[p], sums[p], total);
    hits = lane_bits(total >= bound);
    if (hits != 0) return seed;
  }
  return to;
}

constexpr SeedScan kScans[] = {{8, 3, kLanes, first_hit<8, 3>}, {12, 4, kLanes, first_hit<12, 4>}};

std::vector<SeedScan> scans_of_processor(const SeedFormat& format) {
  std::vector<SeedScan> all;
#if defined(__x86_64__)
  if (has_avx512()) all.assign(seed_scans_avx512().begin(), seed_scans_avx512().end());
#endif
  all.insert(all.end(), std::begin(kScans), std::end(kScans));
  std::erase_if(all, [&](const SeedScan& scan) {
    return scan.length != format.length || scan.coefficients != format.coefficients;
  });
  return all;
}

}  // namespace

std::span<const SeedScan> seed_scans(const SeedFormat& format) {
  static const std::vector<SeedScan> of_8 = scans_of_processor({8, 3, {}, 0}),
                                     of_12 = scans_of_processor({12, 4, {}, 0});
  ensure(format.length == 8 || format.length == 12, "no scan for vectors of {}", format.length);
  return format.length == 8 ? of_8 : of_12;
}

}  // namespace quern
