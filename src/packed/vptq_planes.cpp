// The planes of a codec in tensors of the vptq package: rows of indices without the last bytes of their words, those of
// outliers where their columns stand, and the scale and binary16 numbers of centroids that are such.
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "packed/vptq_folder.h"

namespace quern {
namespace {

class IndexRows final : public PartDecoder {
 public:
  IndexRows(Operand words, std::uint64_t bytes, std::uint64_t pitch)
      : words_(std::move(words)), bytes_(bytes), pitch_(pitch) {}

  std::uint64_t stored_bytes() const override { return words_.stored_bytes(); }

  void read(const File& home, std::uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const std::uint64_t row = offset / bytes_, at = offset % bytes_;
      const std::size_t count = std::min<std::uint64_t>(bytes_ - at, out.size());
      words_.read(home, row * pitch_ + at, out.first(count));
      out = out.subspan(count);
      offset += count;
    }
  }

 private:
  Operand words_;
  std::uint64_t bytes_, pitch_;  // of a row: in the plane, and stored
};

// Of indices of 8 bits, which all are that have outliers.
class OutlierStripes final : public PartDecoder {
 public:
  OutlierStripes(Operand words, Operand halves, const StoredVectors& of, const VectorEncoding& encoding)
      : words_(std::move(words)),
        halves_(std::move(halves)),
        order_(order_of_columns(of.outliers, of.cols)),
        outliers_(of.outliers.size()),
        encoding_(encoding) {}

  std::uint64_t stored_bytes() const override { return words_.stored_bytes() + halves_.stored_bytes(); }

  void read(const File& home, std::uint64_t offset, std::span<std::byte> out) const override {
    const std::uint64_t bytes = encoding_.row_bytes(order_.size());
    while (!out.empty()) {
      const std::vector<std::byte> stripe = stripe_at(home, offset / bytes);
      const std::size_t at = offset % bytes, count = std::min(bytes - at, out.size());
      std::copy_n(stripe.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
      out = out.subspan(count);
      offset += count;
    }
  }

 private:
  std::vector<std::byte> stripe_at(const File& home, std::uint64_t s) const {
    const std::size_t cols = order_.size();
    std::vector<std::byte> stripe(encoding_.row_bytes(cols)), others(cols - outliers_);
    words_.read(home, s * encoding_.row_words(cols) * 4, others);
    for (std::size_t k = 0; k < others.size(); ++k) stripe[order_[outliers_ + k]] = others[k];
    std::vector<std::uint16_t> halves(2 * outliers_);
    halves_.read(home, s * halves.size() * sizeof(std::uint16_t), std::as_writable_bytes(std::span(halves)));
    for (std::size_t i = 0; i < halves.size(); ++i) {
      if (halves[i] >= encoding_.of_outliers)
        fail(ErrorCode::kInput,
             "{} has index {} in row {}, but there are {} centroids of outliers; the file is damaged", halves_.name(),
             halves[i], 2 * s + i / outliers_, encoding_.of_outliers);
      stripe[i < outliers_ ? order_[i] : cols + i - outliers_] = static_cast<std::byte>(halves[i]);
    }
    return stripe;
  }

  Operand words_, halves_;
  std::vector<std::uint32_t> order_;
  std::size_t outliers_;
  const VectorEncoding& encoding_;
};

std::vector<float> numbers_of(const Operand& from, const File& home) {
  std::vector<float> values(from.stored_bytes() / sizeof(float));
  from.read(home, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

// The scale that the codec gives a codebook whose largest number this is.
float scale_of(float largest) {
  constexpr int kTopExponent = 14, kLeastScale = -126;
  return largest > 0 ? std::ldexp(1.0f, std::max(std::ilogb(largest) - kTopExponent, kLeastScale)) : 1.0f;
}

std::vector<std::byte> codebook_of(std::span<const float> values, float scale,
                                   std::span<const std::uint32_t> outliers) {
  std::vector<std::byte> side(sizeof scale + values.size() * sizeof(std::uint16_t) +
                              outliers.size() * sizeof(std::uint32_t));
  store(side.data(), scale);
  std::byte* at = side.data() + sizeof scale;
  for (const float value : values) {
    store(at, f32_to_f16(value / scale));
    at += sizeof(std::uint16_t);
  }
  for (const std::uint32_t column : outliers) {
    store(at, column);
    at += sizeof column;
  }
  return side;
}

class CodebookPart final : public PartDecoder {
 public:
  CodebookPart(std::vector<Operand> books, float scale, std::vector<std::uint32_t> outliers)
      : books_(std::move(books)), scale_(scale), outliers_(std::move(outliers)) {}

  std::uint64_t stored_bytes() const override {
    std::uint64_t bytes = 0;
    for (const Operand& book : books_) bytes += book.stored_bytes();
    return bytes;
  }

  void read(const File& home, std::uint64_t offset, std::span<std::byte> out) const override {
    std::vector<float> values;
    for (const Operand& book : books_) {
      const std::vector<float> some = numbers_of(book, home);
      values.insert(values.end(), some.begin(), some.end());
    }
    const std::vector<std::byte> side = codebook_of(values, scale_, outliers_);
    std::copy_n(side.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  }

 private:
  std::vector<Operand> books_;  // centroids, and residuals or those of outliers
  float scale_;
  std::vector<std::uint32_t> outliers_;
};

// The scale under which all are binary16 numbers, if the codec's is one.
std::optional<float> exact_scale(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) return std::nullopt;
    largest = std::max(largest, std::abs(value));
  }
  const float scale = scale_of(largest);
  const auto is_exact = [scale](float value) { return f16_to_f32(f32_to_f16(value / scale)) * scale == value; };
  return std::ranges::all_of(values, is_exact) ? std::optional(scale) : std::nullopt;
}

}  // namespace

std::vector<TensorPart> planes_of_vectors(const StoredVectors& of, const VectorEncoding& encoding,
                                          const LayoutTable& table) {
  const TensorPart &indices = of.indices->parts[0], &home = of.centroids->parts[0];
  std::vector<const TensorEntry*> books{of.centroids};
  for (const TensorEntry* more : {of.residuals, of.of_outliers})
    if (more) books.push_back(more);
  std::vector<Operand> operands;
  std::vector<float> values;
  for (const TensorEntry* book : books) {
    operands.push_back(table.operand(*book, home.file));
    const std::size_t at = values.size();
    values.resize(at + book->bytes() / sizeof(float));
    table.read(*book, 0, std::as_writable_bytes(std::span(values).subspan(at)));
  }
  const std::optional<float> scale = exact_scale(values);
  if (!scale) return {};
  const std::uint64_t bytes = encoding.row_bytes(of.cols), pitch = encoding.row_words(of.cols) * 4;
  TensorPart rows = indices;
  if (of.outlier_indices)
    rows = {indices.file, indices.offset, encoding.index_rows(of.rows) * bytes,
            std::make_shared<OutlierStripes>(table.operand(*of.indices, indices.file),
                                             table.operand(*of.outlier_indices, indices.file), of, encoding)};
  else if (bytes != pitch)
    rows = {indices.file, indices.offset, encoding.index_rows(of.rows) * bytes,
            std::make_shared<IndexRows>(table.operand(*of.indices, indices.file), bytes, pitch)};
  const TensorPart side{home.file, home.offset, encoding.side_bytes(of.cols),
                        std::make_shared<CodebookPart>(std::move(operands), *scale, of.outliers)};
  return {std::move(rows), side};
}

}  // namespace quern
