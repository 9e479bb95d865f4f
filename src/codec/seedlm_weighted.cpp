// seedlm_4w, seedlm_3w: SeedLM whose search is weighed by importance and whose exponents and coefficients are entropy
// coded (docs/formats/seedlm.md), in planes.
//   rows     row after row: the seeds of its vectors but the first c, u16, then a rANS stream (rans.h) of all exponents
//            + 8 and of all coefficients + 8, vector by vector, that carries the first c seeds; c is one less than the
//            stream's lanes, or the number of vectors if that is less
//   offsets  where each begins in the plane of rows, and where the last ends: u64
//   table    what is added to every exponent of the tensor: one byte, two's complement; the bytes of the table of
//            exponents, u16; that table and that of the coefficients (FrequencyTable::serialise)
#include <algorithm>
#include <bit>
#include <utility>

#include "base/bytes.h"
#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/seed_rows.h"
#include "search/seed_search.h"

namespace quern {
namespace {

constexpr double kMostWeighedCondition = 3200;  // 100, and 32 for columns of which one matters 1024 times another
constexpr SeedFormat kEight{8, 3, SeedExponentRule::kRange, kMostWeighedCondition},
    kTwelve{12, 4, SeedExponentRule::kRange, kMostWeighedCondition};

constexpr CodecPlane kPlanes[] = {{.name = "rows", .holds = CodecPlane::Holds::kRows},
                                  {.name = "offsets", .holds = CodecPlane::Holds::kOffsets},
                                  {.name = "table", .holds = CodecPlane::Holds::kTensorSide}};

constexpr int kBias = 8;  // of exponents and coefficients, as symbols
constexpr std::uint8_t kMostSymbol = 15;
constexpr std::size_t kHead = 3;  // bytes in front of the tables

class SeedTables final : public TensorSide {
 public:
  SeedTables(int exponent, FrequencyTable exponents, FrequencyTable coefficients)
      : exponent_(exponent), exponents_(std::move(exponents)), coefficients_(std::move(coefficients)) {}

  std::vector<std::byte> serialise() const override {
    const std::vector<std::byte> exponents = exponents_.serialise(), coefficients = coefficients_.serialise();
    std::vector<std::byte> bytes(kHead + exponents.size() + coefficients.size());
    bytes[0] = static_cast<std::byte>(exponent_);
    store(&bytes[1], static_cast<std::uint16_t>(exponents.size()));
    std::ranges::copy(coefficients, std::ranges::copy(exponents, bytes.begin() + kHead).out);
    return bytes;
  }
  int exponent() const { return exponent_; }
  const FrequencyTable& exponents() const { return exponents_; }
  const FrequencyTable& coefficients() const { return coefficients_; }

 private:
  int exponent_;
  FrequencyTable exponents_, coefficients_;
};

const SeedTables& tables_of(const Codec& codec) { return static_cast<const SeedTables&>(*codec.tensor_side); }

// Which vectors are tried to learn how often exponents and coefficients occur: one in 32, by its bits, so that neither
// the order of rows nor their cut matters.
bool is_sample(std::span<const float> weights) {
  std::uint64_t hash = 0;
  for (const float weight : weights)
    hash = (hash ^ std::bit_cast<std::uint32_t>(weight)) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29;
  return hash >> 59 == 0;
}

class Counting final : public TensorTraining {
 public:
  explicit Counting(const SeedFormat& format) : format_(format) {}

  void observe(MatrixView rows, std::span<const float>) override {
    std::vector<double> wanted;
    std::vector<int> scales;
    for (std::size_t i = 0; i < rows.rows; ++i) {
      largest_ = std::max(largest_, largest_weight(rows.row(i)));
      for (std::size_t at = 0; at + format_.length <= rows.cols; at += format_.length)
        take_if_sample(rows.row(i).subspan(at, format_.length), wanted, scales);
    }
    std::vector<SeedVector> found(scales.size());
    search_seeds(format_, seed_scans(format_).front(), wanted, {}, found);
    for (std::size_t v = 0; v < found.size(); ++v) {
      ++exponents_[static_cast<std::size_t>(found[v].exponent + scales[v] + kZero)];
      for (std::size_t p = 0; p < format_.coefficients; ++p)
        ++coefficients_[static_cast<std::size_t>(found[v].coefficients[p] + kBias)];
    }
  }

  void merge(const TensorTraining& other) override {
    const auto& from = static_cast<const Counting&>(other);
    largest_ = std::max(largest_, from.largest_);
    for (std::size_t k = 0; k < exponents_.size(); ++k) exponents_[k] += from.exponents_[k];
    for (std::size_t k = 0; k < coefficients_.size(); ++k) coefficients_[k] += from.coefficients_[k];
  }

  std::shared_ptr<const TensorSide> finish() const override {
    const int exponent = tensor_exponent(format_, largest_);
    SymbolCounts exponents{}, coefficients = coefficients_;
    for (std::size_t k = 0; k < exponents_.size(); ++k) {
      const int own = static_cast<int>(k) - kZero - exponent;
      exponents[static_cast<std::size_t>(std::clamp(own, kLeastSeedExponent, kMostSeedExponent) + kBias)] +=
          exponents_[k];
    }
    for (std::size_t k = 0; k <= kMostSymbol; ++k) {  // what no sample has can occur
      ++exponents[k];
      ++coefficients[k];
    }
    return std::make_shared<const SeedTables>(exponent, FrequencyTable::from_counts(exponents),
                                              FrequencyTable::from_counts(coefficients));
  }

 private:
  static constexpr int kZero = 256;  // where exponent 0 is counted

  void take_if_sample(std::span<const float> weights, std::vector<double>& wanted, std::vector<int>& scales) const {
    const float largest = largest_weight(weights);
    if (largest == 0 || !is_sample(weights)) return;
    scales.push_back(tensor_exponent(format_, largest));
    const double scale = std::ldexp(1.0, -scales.back());
    for (const float weight : weights) wanted.push_back(searchable(weight, scale));
  }

  const SeedFormat& format_;
  float largest_ = 0;
  std::array<std::uint64_t, 512> exponents_{};
  SymbolCounts coefficients_{};
};

// The symbols of a row.
struct RowSymbols {
  std::vector<std::uint16_t> seeds;
  std::vector<std::uint8_t> exponents, coefficients;

  RowSymbols(std::size_t vectors, std::size_t of_vector)
      : seeds(vectors), exponents(vectors), coefficients(vectors * of_vector) {}
  std::size_t carried() const { return std::min(seeds.size(), rans_lanes(exponents.size() + coefficients.size()) - 1); }
};

template <const SeedFormat& kFormat>
struct Rows {
  static constexpr std::size_t kLength = kFormat.length, kCoefficients = kFormat.coefficients;

  static void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

  static void round(const Codec& codec, const std::byte*, std::uint32_t first, std::span<const float> weights,
                    std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
    round_rows(codec, {}, first, {weights.data(), 1, weights.size(), weights.size()}, importance, codes, values);
  }

  static void round_rows(const Codec& codec, std::span<const std::byte>, std::uint32_t, MatrixView weights,
                         std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
    const int exponent = codec.tensor_side ? tables_of(codec).exponent() : 0;
    round_seed_rows(kFormat, exponent, weights, importance, codes, values);
  }

  static void pack_row(const Codec& codec, std::span<const std::byte>, std::span<const std::int32_t> codes,
                       std::vector<std::byte>& out) {
    RowSymbols row((codes.size() + kLength - 1) / kLength, kCoefficients);
    for (std::size_t v = 0; v < row.seeds.size(); ++v) {
      const auto of_vector = codes.subspan(v * kLength, std::min(kLength, codes.size() - v * kLength));
      const SeedVector vector = vector_of(kFormat, word_of_codes(of_vector));
      row.seeds[v] = vector.seed;
      row.exponents[v] = static_cast<std::uint8_t>(vector.exponent + kBias);
      for (std::size_t p = 0; p < kCoefficients; ++p)
        row.coefficients[v * kCoefficients + p] = static_cast<std::uint8_t>(vector.coefficients[p] + kBias);
    }
    const std::size_t carried = row.carried(), at = out.size();
    const auto plain = std::as_bytes(std::span(row.seeds).subspan(carried));
    out.resize(at + plain.size());
    std::ranges::copy(plain, out.begin() + static_cast<std::ptrdiff_t>(at));
    const SeedTables& tables = tables_of(codec);
    const SymbolRun runs[] = {{&tables.exponents(), row.exponents}, {&tables.coefficients(), row.coefficients}};
    rans_encode(runs, std::span(row.seeds).first(carried), out);
  }

  static void unpack_row(const Codec& codec, std::span<const std::byte> bytes, std::span<float> out) {
    RowSymbols row((out.size() + kLength - 1) / kLength, kCoefficients);
    const std::size_t carried = row.carried();
    const auto plain = std::as_writable_bytes(std::span(row.seeds).subspan(carried));
    if (bytes.size() < plain.size())
      fail(ErrorCode::kInput, "a row of {} weights in {} has {} bytes, {} are seeds", out.size(), codec.name,
           bytes.size(), plain.size());
    std::ranges::copy(bytes.first(plain.size()), plain.begin());
    const SeedTables& tables = tables_of(codec);
    const DecodedRun runs[] = {{&tables.exponents(), row.exponents}, {&tables.coefficients(), row.coefficients}};
    rans_decode(bytes.subspan(plain.size()), runs, std::span(row.seeds).first(carried));
    for (std::size_t v = 0; v < row.seeds.size(); ++v) {
      const auto weights = out.subspan(v * kLength, std::min(kLength, out.size() - v * kLength));
      decode_seed_vector(kFormat, checked(row, v), tables.exponent(), weights);
    }
  }

  static SeedVector checked(const RowSymbols& row, std::size_t v) {
    SeedVector vector{.seed = row.seeds[v], .exponent = static_cast<std::int8_t>(row.exponents[v] - kBias)};
    std::uint8_t most = row.exponents[v];
    for (std::size_t p = 0; p < kCoefficients; ++p) {
      const std::uint8_t symbol = row.coefficients[v * kCoefficients + p];
      most = std::max(most, symbol);
      vector.coefficients[p] = static_cast<std::int8_t>(symbol - kBias);
    }
    if (vector.seed == 0) fail(ErrorCode::kInput, "vector {} of a row has seed 0, which no register leaves", v);
    if (most > kMostSymbol)
      fail(ErrorCode::kInput, "vector {} of a row has a symbol of {}, at most {} can be", v, most, kMostSymbol);
    return vector;
  }

  static std::unique_ptr<TensorTraining> train(const Codec&) { return std::make_unique<Counting>(kFormat); }

  static std::shared_ptr<const TensorSide> load(const Codec& codec, std::span<const std::byte> bytes) {
    if (bytes.size() < kHead)
      fail(ErrorCode::kInput, "the table of a tensor in {} has {} bytes", codec.name, bytes.size());
    const auto exponent = static_cast<std::int8_t>(bytes[0]);
    const std::size_t size = quern::load<std::uint16_t>(&bytes[1]);
    if (exponent > kMostTensorExponent || size > bytes.size() - kHead)
      fail(ErrorCode::kInput,
           "the table of a tensor in {} begins with an exponent of {} and a size of {}, which no "
           "table of {} bytes does",
           codec.name, exponent, size, bytes.size());
    return std::make_shared<const SeedTables>(exponent, FrequencyTable::parse(bytes.subspan(kHead, size)),
                                              FrequencyTable::parse(bytes.subspan(kHead + size)));
  }

  // `bits`: of Gaussian weights in rows of 6144.
  static constexpr Codec codec(const char* name, const char* summary, double bits) {
    return {.name = name,
            .summary = summary,
            .bits_per_weight = bits,
            .block = 0,
            .planes = kPlanes,
            .side_bytes = 0,
            .fit = fit,
            .round = round,
            .pack = nullptr,
            .decode = nullptr,
            .granule = kFormat.length,
            .tail = kFormat.length == 8 ? 1u : 2u,  // 36 bits are codes of two weights
            .round_rows = round_rows,
            .pack_row = pack_row,
            .unpack_row = unpack_row,
            .train = train,
            .load_tensor_side = load,
            .most_rows_per_task = kSeedRowsPerTask};
  }
};

}  // namespace

constinit const Codec kSeedlm4w =
    Rows<kEight>::codec("seedlm_4w", "as seedlm_4, searched by importance, entropy coded", 3.62);
constinit const Codec kSeedlm3w =
    Rows<kTwelve>::codec("seedlm_3w", "as seedlm_3, searched by importance, entropy coded", 2.73);

}  // namespace quern
