// Vectors of 512 bits: two of them for vectors of 8 weights, which leaves registers for the sums.
#include "search/seed_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define QUERN_SEED_TARGET target("avx512f,avx512vl,avx512dq,avx512bw")

namespace quern {
namespace {

constexpr std::size_t kWide = 16;  // floats of a vector

template <std::size_t length, std::size_t coefficients, std::size_t wide>
[[gnu::QUERN_SEED_TARGET]] std::size_t first_hit(const float* table, std::size_t from, std::size_t to,
                                                 const float* values, const float* least, std::uint32_t& hits) {
  __m512 vector[length][wide], bound[wide];
  for (std::size_t c = 0; c < length; ++c)
    for (std::size_t v = 0; v < wide; ++v) vector[c][v] = _mm512_loadu_ps(values + (c * wide + v) * kWide);
  for (std::size_t v = 0; v < wide; ++v) bound[v] = _mm512_loadu_ps(least + v * kWide);
  for (std::size_t seed = from; seed < to; ++seed) {
    const float* q = table + seed / kSeedGroup * kSeedGroup * length * coefficients + seed % kSeedGroup;
    __m512 sums[coefficients][wide];
    for (auto& sum : sums)
      for (__m512& part : sum) part = _mm512_setzero_ps();
    for (std::size_t c = 0; c < length; ++c)
      for (std::size_t p = 0; p < coefficients; ++p, q += kSeedGroup) {
        const __m512 factor = _mm512_set1_ps(*q);
        for (std::size_t v = 0; v < wide; ++v) sums[p][v] = _mm512_fmadd_ps(factor, vector[c][v], sums[p][v]);
      }
    std::uint32_t found = 0;
    for (std::size_t v = 0; v < wide; ++v) {
      __m512 total = _mm512_mul_ps(sums[0][v], sums[0][v]);
      for (std::size_t p = 1; p < coefficients; ++p) total = _mm512_fmadd_ps(sums[p][v], sums[p][v], total);
      found |= std::uint32_t{_mm512_cmp_ps_mask(total, bound[v], _CMP_GE_OQ)} << v * kWide;
    }
    hits = found;
    if (found != 0) return seed;
  }
  return to;
}

constexpr SeedScan kScans[] = {{8, 3, 2 * kWide, first_hit<8, 3, 2>}, {12, 4, kWide, first_hit<12, 4, 1>}};

}  // namespace

std::span<const SeedScan> seed_scans_avx512() { return kScans; }

}  // namespace quern
#endif
