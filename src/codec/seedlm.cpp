// seedlm_4, seedlm_3, seedlm_4_paper: SeedLM (docs/formats/seedlm.md), in planes.
//   vectors   of each row, one after the other from the lowest bit of its first byte on: 32 bits for 8 weights, 36 for
//             12 (word_of in seed_rows.h). The last vector of a row is padded with zeros, the last byte of a row too
//   exponent  what is added to every exponent of the tensor: one byte, two's complement
#include <algorithm>

#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/seed_rows.h"

namespace quern {
namespace {

constexpr SeedFormat kEight{8, 3, SeedExponentRule::kRange, 100}, kTwelve{12, 4, SeedExponentRule::kRange, 100},
    kEightAsPrinted{8, 3, SeedExponentRule::kPrinted, 100};

constexpr std::uint32_t vector_bits(const SeedFormat& format) { return 20 + 4 * format.coefficients; }

constexpr CodecPlane kFourBits[] = {{.name = "vectors", .bits_per_weight = 4},
                                    {.name = "exponent", .holds = CodecPlane::Holds::kTensorSide}};
constexpr CodecPlane kThreeBits[] = {{.name = "vectors", .bits_per_weight = 3},
                                     {.name = "exponent", .holds = CodecPlane::Holds::kTensorSide}};

class ExponentSide final : public TensorSide {
 public:
  explicit ExponentSide(int exponent) : exponent_(exponent) {}
  std::vector<std::byte> serialise() const override { return {static_cast<std::byte>(exponent_)}; }
  int exponent() const { return exponent_; }

 private:
  int exponent_;
};

class Largest final : public TensorTraining {
 public:
  explicit Largest(const SeedFormat& format) : format_(format) {}

  void observe(MatrixView rows, std::span<const float>) override {
    for (std::size_t i = 0; i < rows.rows; ++i) largest_ = std::max(largest_, largest_weight(rows.row(i)));
  }
  void merge(const TensorTraining& other) override {
    largest_ = std::max(largest_, static_cast<const Largest&>(other).largest_);
  }
  std::shared_ptr<const TensorSide> finish() const override {
    return std::make_shared<const ExponentSide>(tensor_exponent(format_, largest_));
  }

 private:
  const SeedFormat& format_;
  float largest_ = 0;
};

void write_bits(std::byte* row, std::size_t at, std::uint32_t bits, std::uint64_t word) {
  for (; bits > 0; at += 4, bits -= 4, word >>= 4) {
    const auto nibble = static_cast<unsigned>(word & 15);
    row[at / 8] = at % 8 == 0 ? std::byte(nibble) : row[at / 8] | std::byte(nibble << 4);
  }
}

std::uint64_t read_bits(const std::byte* row, std::size_t at, std::uint32_t bits) {
  std::uint64_t word = 0;
  for (std::uint32_t k = 0; k < bits; k += 4, at += 4)
    word |= std::uint64_t{std::to_integer<unsigned>(row[at / 8]) >> at % 8 & 15} << k;
  return word;
}

template <const SeedFormat& kFormat>
struct Vectors {
  static void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

  static void round(const Codec& codec, const std::byte*, std::uint32_t, std::span<const float> weights,
                    std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    round_seed_rows(kFormat, seed_exponent(codec), {weights.data(), 1, weights.size(), weights.size()}, {}, codes,
                    values);
  }

  static void round_rows(const Codec& codec, std::span<const std::byte>, std::uint32_t, MatrixView weights,
                         std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    round_seed_rows(kFormat, seed_exponent(codec), weights, {}, codes, values);
  }

  static void pack(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
    std::size_t at = 0;
    for (; !codes.empty(); at += vector_bits(kFormat)) {
      write_bits(planes[0], at, vector_bits(kFormat), word_of_codes(codes));
      codes = codes.subspan(std::min<std::size_t>(kFormat.length, codes.size()));
    }
  }

  static void decode(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
    const int exponent = seed_exponent(codec);
    for (std::size_t at = 0; !out.empty(); at += vector_bits(kFormat)) {
      const auto weights = out.first(std::min<std::size_t>(kFormat.length, out.size()));
      decode_seed_vector(kFormat, vector_of(kFormat, read_bits(planes[0], at, vector_bits(kFormat))), exponent,
                         weights);
      out = out.subspan(weights.size());
    }
  }

  static std::unique_ptr<TensorTraining> train(const Codec&) { return std::make_unique<Largest>(kFormat); }

  static std::shared_ptr<const TensorSide> load(const Codec& codec, std::span<const std::byte> bytes) {
    if (bytes.size() != 1)
      fail(ErrorCode::kInput, "the exponent of a tensor in {} takes {} bytes instead of 1", codec.name, bytes.size());
    const auto exponent = static_cast<std::int8_t>(bytes[0]);
    if (exponent > kMostTensorExponent)
      fail(ErrorCode::kInput, "the exponent of a tensor in {} is {}, at most {} can be", codec.name, exponent,
           kMostTensorExponent);
    return std::make_shared<const ExponentSide>(exponent);
  }

  static constexpr Codec codec(const char* name, const char* summary, double bits, std::span<const CodecPlane> planes) {
    return {.name = name,
            .summary = summary,
            .bits_per_weight = bits,
            .block = 0,
            .planes = planes,
            .side_bytes = 0,
            .fit = fit,
            .round = round,
            .pack = pack,
            .decode = decode,
            .granule = kFormat.length,
            .tail = kFormat.length == 8 ? 1u : 2u,  // 36 bits are codes of two weights
            .round_rows = round_rows,
            .train = train,
            .load_tensor_side = load,
            .most_rows_per_task = kSeedRowsPerTask};
  }
};

}  // namespace

int seed_exponent(const Codec& codec) {
  return codec.tensor_side ? static_cast<const ExponentSide&>(*codec.tensor_side).exponent() : 0;
}

constinit const Codec kSeedlm4 = Vectors<kEight>::codec(
    "seedlm_4", "8 weights as a 16-bit seed and 3 coefficients; its basis is computed", 4, kFourBits);
constinit const Codec kSeedlm3 = Vectors<kTwelve>::codec(
    "seedlm_3", "12 weights as a 16-bit seed and 4 coefficients; its basis is computed", 3, kThreeBits);
constinit const Codec kSeedlm4Paper = [] {
  Codec made = Vectors<kEightAsPrinted>::codec(
      "seedlm_4_paper", "as seedlm_4, with the exponent as it was published: for comparison", 4, kFourBits);
  made.use = Codec::Use::kTrained;  // it loses more than seedlm_4 on any weights
  return made;
}();

}  // namespace quern
