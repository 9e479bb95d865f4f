// lossless_bf16, lossless_f16, lossless_f32: floats bit for bit in fewer bytes (docs/formats/lossless.md), in planes.
//   rows     row after row, as exponent_split.cpp codes them
//   offsets  where each begins in the plane of rows, and where the last ends: u64
//   table    frequencies of the tensor's bytes: serialise_lossless
// The name says which floats. Weights that are no such floats are rounded to them first, as by the plain codec.
#include "base/bytes.h"
#include "codec/codec_table.h"
#include "entropy/exponent_split.h"

namespace quern {
namespace {

constexpr CodecPlane kPlanes[] = {{.name = "rows", .holds = CodecPlane::Holds::kRows},
                                  {.name = "offsets", .holds = CodecPlane::Holds::kOffsets},
                                  {.name = "table", .holds = CodecPlane::Holds::kTensorSide}};

class LosslessSide final : public TensorSide {
 public:
  explicit LosslessSide(LosslessTable table) : table_(std::move(table)) {}
  std::vector<std::byte> serialise() const override { return serialise_lossless(table_); }
  const LosslessTable& table() const { return table_; }

 private:
  LosslessTable table_;
};

const LosslessTable& table_of(const Codec& codec) {
  return static_cast<const LosslessSide&>(*codec.tensor_side).table();
}

std::vector<std::byte> plain_bytes(const Codec& plain, std::span<const std::int32_t> codes) {
  std::vector<std::byte> bytes(plain.row_bytes(codes.size()));
  plain.pack(plain, nullptr, codes, {bytes.data()});
  return bytes;
}

class Counting final : public TensorTraining {
 public:
  Counting(const Codec& plain, const LosslessKind& kind) : plain_(plain), counts_(kind) {}

  void observe(MatrixView rows, std::span<const float>) override {
    std::vector<std::int32_t> codes(rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i) {
      plain_.round(plain_, nullptr, 0, rows.row(i), {}, codes, {});
      count_values(plain_bytes(plain_, codes), counts_);
    }
  }
  void merge(const TensorTraining& other) override {
    merge_counts(static_cast<const Counting&>(other).counts_, counts_);
  }
  std::shared_ptr<const TensorSide> finish() const override {
    return std::make_shared<const LosslessSide>(train_lossless(counts_));
  }

 private:
  const Codec& plain_;
  LosslessCounts counts_;
};

// Of the floats of one plain codec.
template <const Codec& kPlain>
struct Rows {
  static const LosslessKind& kind() { return *find_lossless_kind(kPlain.name); }

  static void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

  static void round(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                    std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values) {
    kPlain.round(kPlain, side, first, weights, importance, codes, values);
  }

  static void pack_row(const Codec& codec, std::span<const std::byte>, std::span<const std::int32_t> codes,
                       std::vector<std::byte>& out) {
    encode_lossless_row(table_of(codec), plain_bytes(kPlain, codes), out);
  }

  static void unpack_row(const Codec& codec, std::span<const std::byte> row, std::span<float> out) {
    std::vector<std::byte> bytes(kPlain.row_bytes(out.size()));
    decode_lossless_row(table_of(codec), row, bytes);
    kPlain.decode(kPlain, {bytes.data()}, out);
  }

  static std::unique_ptr<TensorTraining> train(const Codec&) { return std::make_unique<Counting>(kPlain, kind()); }

  static std::shared_ptr<const TensorSide> load(const Codec&, std::span<const std::byte> bytes) {
    return std::make_shared<const LosslessSide>(parse_lossless(kind(), bytes));
  }

  // `bits`: of Gaussian weights in rows of 2048.
  static constexpr Codec codec(const char* name, const char* plain, const char* summary, double bits) {
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
            .pack_row = pack_row,
            .unpack_row = unpack_row,
            .train = train,
            .load_tensor_side = load,
            .plain = plain};
  }
};

}  // namespace

constinit const Codec kLosslessF32 =
    Rows<kF32>::codec("lossless_f32", "f32", "32-bit floats, entropy coded: every bit comes back", 26.6);
constinit const Codec kLosslessF16 =
    Rows<kF16>::codec("lossless_f16", "f16", "16-bit floats, entropy coded: every bit comes back", 13.5);
constinit const Codec kLosslessBf16 =
    Rows<kBf16>::codec("lossless_bf16", "bf16", "bfloat16, entropy coded: every bit comes back", 10.6);

}  // namespace quern
