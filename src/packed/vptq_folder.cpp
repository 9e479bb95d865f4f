// Writing what vptq_layers.cpp reads, of the package's layout what Quern's codecs are: one group of columns in their
// own order, behind those of outliers, packed indices, centroids in binary32 (binary16 numbers under a scale are no
// binary16 numbers).
#include "packed/vptq_folder.h"

#include <algorithm>
#include <bit>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

constexpr VectorEncoding kEncodings[] = {{"vptq_v6_k4096_r4096", 6, 4096, 4096},
                                         {"vptq_v3_k4096", 3, 4096},
                                         {"vptq_v4_k256_r256", 4, 256, 256},
                                         {"vptq_v2_k256", 2, 256},
                                         {"vptq_v4_k4096", 4, 4096},
                                         {"vptq_v3_k512", 3, 512},
                                         {"vptq_v2_k64", 2, 64},
                                         {"vptq_v4_k256_o256", 4, 256, 0, 256},
                                         {"vptq_v6_k4096", 6, 4096},
                                         {"vptq_v4_k256", 4, 256},
                                         {"vptq_v3_k64", 3, 64},
                                         {"vptq_v2_k16", 2, 16},
                                         {"vptq_v8_k4096", 8, 4096},
                                         {"vptq_v8_k256", 8, 256}};

// Rows of bytes as rows of words, zeros behind the last byte.
PartEncoder fill_up_rows(std::uint64_t bytes, std::uint64_t words) {
  return [=](std::span<const std::byte> rows) -> std::vector<std::vector<std::byte>> {
    std::vector<std::byte> out(rows.size() / bytes * words * 4);
    for (std::uint64_t row = 0; row < rows.size() / bytes; ++row)
      std::ranges::copy(rows.subspan(row * bytes, bytes), out.begin() + static_cast<std::ptrdiff_t>(row * words * 4));
    return {std::move(out)};
  };
}

// `counts` numbers of each codebook behind the scale.
PartEncoder split_codebook(std::vector<std::uint64_t> counts) {
  return [=](std::span<const std::byte> side) {
    const float scale = load<float>(side.data());
    const std::byte* at = side.data() + sizeof scale;
    std::vector<std::vector<std::byte>> books;
    for (const std::uint64_t count : counts) {
      std::vector<std::byte>& book = books.emplace_back(count * sizeof(float));
      for (std::uint64_t i = 0; i < count; ++i, at += sizeof(std::uint16_t))
        store(&book[i * sizeof(float)], f16_to_f32(load<std::uint16_t>(at)) * scale);
    }
    return books;
  };
}

// Indices of 8 bits, which all are that have outliers.
struct OutlierIndices {
  std::uint64_t rows, cols;  // of the matrix
  const VectorEncoding& encoding;
  std::vector<std::uint32_t> outliers;

  // Of the other columns, rows filled up to words.
  std::vector<std::byte> others(std::span<const std::byte> stripes) const {
    const std::vector<std::uint32_t> order = order_of_columns(outliers, cols);
    const std::uint64_t pitch = encoding.row_words(cols) * 4, stripe = encoding.row_bytes(cols);
    std::vector<std::byte> out(stripes.size() / stripe * pitch);
    for (std::uint64_t s = 0; s < stripes.size() / stripe; ++s)
      for (std::uint64_t place = outliers.size(); place < cols; ++place)
        out[s * pitch + place - outliers.size()] = stripes[s * stripe + order[place]];
    return out;
  }

  // 16 bits for each half of a vector.
  std::vector<std::byte> halves(std::span<const std::byte> stripes) const {
    const std::uint64_t stripe = encoding.row_bytes(cols), count = outliers.size(),
                        half_rows = (rows + encoding.half() - 1) / encoding.half();
    std::vector<std::byte> out(half_rows * count * sizeof(std::uint16_t));
    for (std::uint64_t h = 0; h < half_rows; ++h)
      for (std::uint64_t i = 0; i < count; ++i)
        out[(h * count + i) * sizeof(std::uint16_t)] = stripes[h / 2 * stripe + (h % 2 == 0 ? outliers[i] : cols + i)];
    return out;
  }
};

std::vector<std::byte> words_of(std::span<const std::uint32_t> columns) {
  std::vector<std::byte> out(columns.size() * sizeof(std::uint16_t));
  for (std::size_t i = 0; i < columns.size(); ++i)
    store(&out[i * sizeof(std::uint16_t)], static_cast<std::uint16_t>(columns[i]));
  return out;
}

// {indices, centroids, outlier_indices, outlier_centroids, perm} of stripes and codebook.
PartsEncoder split_outliers(std::uint64_t rows, std::uint64_t cols, const VectorEncoding& encoding) {
  return [=, &encoding](std::span<const std::vector<std::byte>> parts) -> std::vector<std::vector<std::byte>> {
    OutlierIndices indices{rows, cols, encoding, {}};
    for (std::uint64_t at = encoding.side_bytes(0); at < parts[1].size(); at += sizeof(std::uint32_t))
      indices.outliers.push_back(load<std::uint32_t>(&parts[1][at]));
    const std::vector<std::vector<std::byte>> books =
        split_codebook({std::uint64_t{encoding.centroids} * encoding.length,
                        std::uint64_t{encoding.of_outliers} * encoding.half()})(parts[1]);
    return {indices.others(parts[0]), books[0], indices.halves(parts[0]), books[1],
            words_of(order_of_columns(indices.outliers, cols))};
  };
}

Json layer_settings(const TensorSpec& tensor, const VectorEncoding& encoding, bool has_bias) {
  const std::uint64_t outliers = encoding.outliers(tensor.shape[1]);
  const auto others = [](std::uint64_t number) { return Json::array({-1, number}); };
  const auto both = [&](std::uint64_t of_outliers, std::uint64_t number) {
    return outliers ? Json::array({of_outliers, number}) : others(number);
  };
  return Json::object({{"in_features", tensor.shape[1]},
                       {"out_features", tensor.shape[0]},
                       {"vector_lens", both(encoding.half(), encoding.length)},
                       {"num_centroids", both(encoding.of_outliers, encoding.centroids)},
                       {"num_res_centroids", encoding.residuals ? others(encoding.residuals) : Json::array({-1, -1})},
                       {"group_num", 1},
                       {"group_size", tensor.shape[1] - outliers},
                       {"outlier_size", outliers},
                       {"indices_as_float", false},
                       {"enable_norm", false},
                       {"enable_perm", outliers > 0},
                       {"is_indice_packed", true},
                       {"bias", has_bias},
                       {"vector_quant_dim", "out"}});
}

StoredLayout lay_out_vectors(const TensorSpec& tensor, const VectorEncoding& encoding, std::uint64_t stripes,
                             std::uint64_t side) {
  const std::string module = module_of(tensor.name);
  const std::uint64_t rows = encoding.index_rows(tensor.shape[0]), bytes = encoding.row_bytes(tensor.shape[1]),
                      words = encoding.row_words(tensor.shape[1]);
  StoredLayout layout;
  const std::size_t indices = layout.add(module + ".indices", "i32", {1, rows, words});
  layout.parts.push_back({stripes, {indices}, bytes == words * 4 ? PartEncoder() : fill_up_rows(bytes, words)});
  std::vector<std::uint64_t> counts{std::uint64_t{encoding.centroids} * encoding.length};
  std::vector<std::size_t> books{layout.add(module + ".centroids.weight", "f32", {1, counts[0]})};
  if (encoding.residuals) {
    counts.push_back(std::uint64_t{encoding.residuals} * encoding.length);
    books.push_back(layout.add(module + ".res_centroids.weight", "f32", {1, counts[1]}));
  }
  layout.parts.push_back({side, std::move(books), split_codebook(std::move(counts))});
  return layout;
}

StoredLayout lay_out_outliers(const TensorSpec& tensor, const VectorEncoding& encoding, std::uint64_t stripes,
                              std::uint64_t side) {
  constexpr std::uint64_t kMostColumns = 65536;  // an order of 16 bits
  const std::uint64_t rows = tensor.shape[0], cols = tensor.shape[1], outliers = encoding.outliers(cols),
                      left = rows % encoding.length;
  if (outliers == cols || cols > kMostColumns || (left > 0 && left <= encoding.half()))
    fail(
        ErrorCode::kInput,
        "tensor \"{}\" of shape {} cannot be stored as {} in a folder of the vptq package: that takes 2 to {} columns, "
        "and rows that fill more than half of the last vectors of {}; choose `format` safetensors",
        tensor.name, to_string(tensor.shape), encoding.name, kMostColumns, encoding.length);
  const std::string module = module_of(tensor.name);
  StoredLayout layout;
  layout.add(module + ".indices", "i32", {1, encoding.index_rows(rows), encoding.row_words(cols)});
  layout.add(module + ".centroids.weight", "f32", {1, std::uint64_t{encoding.centroids} * encoding.length});
  layout.add(module + ".outlier_indices", "i16", {1, (rows + encoding.half() - 1) / encoding.half(), outliers});
  layout.add(module + ".outlier_centroids.weight", "f32", {1, std::uint64_t{encoding.of_outliers} * encoding.half()});
  layout.add(module + ".perm", "i16", {cols});
  layout.parts = {{stripes, {0, 2}, nullptr}, {side, {1, 3, 4}, nullptr}};
  layout.encode_together = split_outliers(rows, cols, encoding);
  return layout;
}

}  // namespace

unsigned VectorEncoding::bits() const {
  return static_cast<unsigned>(std::countr_zero(centroids) + (residuals ? std::countr_zero(residuals) : 0));
}

std::span<const VectorEncoding> vector_encodings() { return kEncodings; }

const VectorEncoding* find_vector_encoding(std::string_view name) {
  const auto at = std::ranges::find(kEncodings, name, &VectorEncoding::name);
  return at == std::end(kEncodings) ? nullptr : at;
}

const VectorEncoding* find_vector_encoding(std::uint64_t length, std::uint64_t centroids, std::uint64_t residuals,
                                           std::uint64_t of_outliers) {
  const auto at = std::ranges::find_if(kEncodings, [&](const VectorEncoding& encoding) {
    return encoding.length == length && encoding.centroids == centroids && encoding.residuals == residuals &&
           encoding.of_outliers == of_outliers;
  });
  return at == std::end(kEncodings) ? nullptr : at;
}

std::vector<std::uint32_t> order_of_columns(std::span<const std::uint32_t> outliers, std::uint64_t cols) {
  std::vector<std::uint32_t> order(outliers.begin(), outliers.end());
  for (std::uint32_t c = 0; c < cols; ++c)
    if (!std::ranges::binary_search(outliers, c)) order.push_back(c);
  return order;
}

const char* why_not_of_vectors(std::string_view tensor, std::size_t axes) {
  if (const char* why = why_not_packed(tensor, axes)) return why;
  return is_embedding_module(module_of(std::string(tensor))) ? "its package packs no embeddings" : nullptr;
}

StoredLayout lay_out_vptq_weight(const TensorSpec& tensor, const VectorEncoding& encoding) {
  if (why_not_of_vectors(tensor.name, tensor.shape.size()) || element_count(tensor.shape) == 0)
    fail(ErrorCode::kInput,
         "tensor \"{}\" of shape {} cannot be stored as {}: that takes the matrix M.weight of a linear layer",
         tensor.name, to_string(tensor.shape), encoding.name);
  // Nothing is announced before it was trained.
  const bool is_trained = tensor.part_bytes.size() == 2 && tensor.part_bytes[1] > 0;
  const std::uint64_t rows = tensor.shape[0], cols = tensor.shape[1], side = is_trained ? encoding.side_bytes(cols) : 0,
                      stripes = encoding.index_rows(rows) * encoding.row_bytes(cols);
  return encoding.of_outliers ? lay_out_outliers(tensor, encoding, stripes, side)
                              : lay_out_vectors(tensor, encoding, stripes, side);
}

Json with_vptq_config(const Json& config, const std::vector<TensorSpec>& tensors) {
  std::set<std::string_view> names;
  for (const TensorSpec& tensor : tensors) names.insert(tensor.name);
  Json layers = Json::object();
  for (const TensorSpec& tensor : tensors)
    if (const VectorEncoding* encoding = find_vector_encoding(tensor.encoding)) {
      const std::string module = module_of(tensor.name);
      layers.set(module, layer_settings(tensor, *encoding, names.contains(module + ".bias")));
    }
  Json out = without_quantization(config);
  if (layers.as_object().empty()) return out;
  if (out.is_null()) out = Json::object();
  out.set("quantization_config", Json::object({{"quant_method", "vptq"}, {"config_for_layers", std::move(layers)}}));
  return out;
}

}  // namespace quern
