// Writing what vptq_layers.cpp reads, of the package's layout what Quern's codecs are: one group of columns in their
// own order, packed indices, centroids in binary32 (binary16 numbers under a scale are no binary16 numbers).
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

Json layer_settings(const TensorSpec& tensor, const VectorEncoding& encoding, bool has_bias) {
  const auto others = [](std::uint64_t number) { return Json::array({-1, number}); };
  return Json::object({{"in_features", tensor.shape[1]},
                       {"out_features", tensor.shape[0]},
                       {"vector_lens", others(encoding.length)},
                       {"num_centroids", others(encoding.centroids)},
                       {"num_res_centroids", encoding.residuals ? others(encoding.residuals) : Json::array({-1, -1})},
                       {"group_num", 1},
                       {"group_size", tensor.shape[1]},
                       {"outlier_size", 0},
                       {"indices_as_float", false},
                       {"enable_norm", false},
                       {"enable_perm", false},
                       {"is_indice_packed", true},
                       {"bias", has_bias},
                       {"vector_quant_dim", "out"}});
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

const VectorEncoding* find_vector_encoding(std::uint64_t length, std::uint64_t centroids, std::uint64_t residuals) {
  const auto at = std::ranges::find_if(kEncodings, [&](const VectorEncoding& encoding) {
    return encoding.length == length && encoding.centroids == centroids && encoding.residuals == residuals;
  });
  return at == std::end(kEncodings) ? nullptr : at;
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
  const std::string module = module_of(tensor.name);
  const std::uint64_t rows = encoding.index_rows(tensor.shape[0]), cols = tensor.shape[1],
                      bytes = encoding.row_bytes(cols), words = encoding.row_words(cols);
  StoredLayout layout;
  const std::size_t indices = layout.add(module + ".indices", "i32", {1, rows, words});
  layout.parts.push_back({rows * bytes, {indices}, bytes == words * 4 ? PartEncoder() : fill_up_rows(bytes, words)});
  std::vector<std::uint64_t> counts{std::uint64_t{encoding.centroids} * encoding.length};
  std::vector<std::size_t> books{layout.add(module + ".centroids.weight", "f32", {1, counts[0]})};
  if (encoding.residuals) {
    counts.push_back(std::uint64_t{encoding.residuals} * encoding.length);
    books.push_back(layout.add(module + ".res_centroids.weight", "f32", {1, counts[1]}));
  }
  // Nothing is announced before it was trained.
  const bool is_trained = tensor.part_bytes.size() == 2 && tensor.part_bytes[1] > 0;
  const std::uint64_t numbers = counts[0] + (encoding.residuals ? counts[1] : 0),
                      side = sizeof(float) + numbers * sizeof(std::uint16_t);
  layout.parts.push_back({is_trained ? side : 0, std::move(books), split_codebook(std::move(counts))});
  return layout;
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
