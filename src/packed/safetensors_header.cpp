// The safetensors header (https://github.com/huggingface/safetensors, "Format").
//
//   offset  bytes  what
//   0       8      N, length of the header, little-endian
//   8       N      JSON object: name -> {"dtype", "shape", "data_offsets": [begin, end]}; and perhaps
//                  "__metadata__", an object of strings
//   8 + N   rest   data; offsets count from here, are contiguous from 0, and the last end is the end of the file
#include "packed/safetensors_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "base/json.h"
#include "base/json_members.h"

namespace quern {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr std::uint64_t kHeaderUnit = 8;
constexpr const char* kMetadata = "__metadata__";
constexpr std::size_t kMaxTensors = std::size_t{1} << 20;  // five times what the largest mixtures have
constexpr std::size_t kMaxNameBytes = 65535;               // as in GGUF
constexpr std::size_t kMaxPairs = 16384;  // files have a few; those of several shards are looked up one by one

constexpr SafetensorsType kTypes[] = {
    {"BOOL", "bool", 8},
    {"F4", "f4", 4},
    {"F6_E2M3", "f6_e2m3", 6},
    {"F6_E3M2", "f6_e3m2", 6},
    {"U8", "u8", 8},
    {"I8", "i8", 8},
    {"F8_E5M2", "f8_e5m2", 8},
    {"F8_E4M3", "f8_e4m3", 8},
    {"F8_E8M0", "f8_e8m0", 8},
    {"I16", "i16", 16},
    {"F8_E4M3FNUZ", "f8_e4m3fnuz", 8},
    {"F8_E5M2FNUZ", "f8_e5m2fnuz", 8},
    {"U16", "u16", 16},
    {"F16", "f16", 16},
    {"BF16", "bf16", 16},
    {"I32", "i32", 32},
    {"U32", "u32", 32},
    {"F32", "f32", 32},
    {"C64", "c64", 64},
    {"F64", "f64", 64},
    {"I64", "i64", 64},
    {"U64", "u64", 64},
};

[[noreturn]] void refuse_repeated(std::string_view key) {
  fail(ErrorCode::kInput, "JSON key \"{}\" appears twice in one object", key);
}

Shape shape_of(const Json& value) {
  Shape shape;
  shape.reserve(value.as_array().size());
  for (const Json& extent : value.as_array()) shape.push_back(extent.as_uint64());
  return shape;
}

// Offsets still count from the start of the data here.
SafetensorsTensor tensor_of(std::string name, const Json& value) {
  SafetensorsTensor tensor{{}, nullptr, shape_of(value.at("shape")), 0, 0};
  const std::string& dtype = value.at("dtype").as_string();
  tensor.type = find_safetensors_type(dtype);
  if (!tensor.type) fail(ErrorCode::kInput, "dtype \"{}\" is not one of the specification", dtype);
  const Json::Array& offsets = value.at("data_offsets").as_array();
  if (offsets.size() != 2) fail(ErrorCode::kInput, "data_offsets has {} items, not 2", offsets.size());
  const std::uint64_t begin = offsets[0].as_uint64(), end = offsets[1].as_uint64();
  if (begin > end) fail(ErrorCode::kInput, "data_offsets begin at {} and end at {}", begin, end);
  const std::uint64_t bytes = safetensors_bytes(*tensor.type, tensor.shape);
  if (bytes != end - begin) {
    fail(ErrorCode::kInput, "{} of shape {} takes {} bytes, but data_offsets span {}", dtype, to_string(tensor.shape),
         bytes, end - begin);
  }
  tensor.name = std::move(name);
  tensor.name.shrink_to_fit();
  tensor.offset = begin;
  tensor.bytes = bytes;
  return tensor;
}

Metadata metadata_of(const Json& value) {
  std::vector<Metadata::Pair> pairs;
  if (value.as_object().size() > kMaxPairs)
    fail(ErrorCode::kInput, "it has {} pairs, more than the {} that are allowed", value.as_object().size(), kMaxPairs);
  for (const Json::Member& member : value.as_object())
    with_context(fmt::format("key \"{}\"", member.first),
                 [&] { pairs.emplace_back(member.first, member.second.as_string()); });
  return Metadata(std::move(pairs));
}

struct HeaderText {
  std::string json;
  std::uint64_t data_start = 0;  // in the file
};

HeaderText read_header_text(const File& file) {
  std::byte length_bytes[8];
  if (file.size() < sizeof length_bytes)
    fail(ErrorCode::kInput, "{} bytes are too few for a safetensors file", file.size());
  file.read(0, length_bytes);
  const auto length = load<std::uint64_t>(length_bytes);
  if (length > file.size() - sizeof length_bytes) {
    fail(ErrorCode::kInput,
         "the header announces {} bytes, but the file has {}; it is cut short or not safetensors: download it again",
         length, file.size());
  }
  if (length > kMaxHeaderBytes) {
    fail(ErrorCode::kInput, "the header announces {} bytes, more than the {} that are allowed", length,
         kMaxHeaderBytes);
  }
  std::string text(length, '\0');
  file.read(sizeof length_bytes, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) fail(ErrorCode::kInput, "the header does not begin with '{{'");
  return {std::move(text), sizeof length_bytes + length};
}

// A header may name 400,000 tensors: each is taken as it is read, and its JSON dropped.
SafetensorsHeader parse_header(std::string_view json) {
  SafetensorsHeader header;
  bool has_metadata = false;
  parse_json_members(json, [&](std::string&& name, Json&& value) {
    if (name == kMetadata && std::exchange(has_metadata, true)) refuse_repeated(name);
    if (name == kMetadata) {
      with_context(kMetadata, [&] { header.metadata = metadata_of(value); });
    } else {
      if (header.tensors.size() == kMaxTensors)
        fail(ErrorCode::kInput, "it has more tensors than the {} that are accepted", kMaxTensors);
      if (name.size() > kMaxNameBytes) fail(ErrorCode::kInput, "a tensor has a name of {} bytes", name.size());
      with_context(fmt::format("tensor \"{}\"", name),
                   [&] { header.tensors.push_back(tensor_of(std::move(name), value)); });
    }
  });
  return header;
}

void check_names(const std::deque<SafetensorsTensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SafetensorsTensor& tensor : tensors) names.push_back(tensor.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) refuse_repeated(*twice);
}

void check_contiguous(std::deque<SafetensorsTensor>& tensors, std::uint64_t data_bytes) {
  std::sort(tensors.begin(), tensors.end(), [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });
  std::uint64_t end = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != end) {
      fail(ErrorCode::kInput, "tensor \"{}\" begins at byte {} of the data, but the one before it ends at {}: {}",
           tensor.name, tensor.offset, end, tensor.offset < end ? "they overlap" : "there is a hole");
    }
    end += tensor.bytes;  // cannot overflow: offset + bytes is an end that was read as 64 bits
    if (end > data_bytes) {
      fail(ErrorCode::kInput,
           "tensor \"{}\" ends at byte {} of the data, but the file has {}; it is cut short: download it again",
           tensor.name, end, data_bytes);
    }
  }
  if (end != data_bytes)
    fail(ErrorCode::kInput, "the tensors end at byte {} of the data, but the file has {}", end, data_bytes);
}

}  // namespace

const SafetensorsType* find_safetensors_type(std::string_view dtype) {
  const auto at =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& type) { return dtype == type.dtype; });
  return at == std::end(kTypes) ? nullptr : at;
}

const SafetensorsType* find_safetensors_encoding(std::string_view encoding) {
  const auto at =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& type) { return encoding == type.encoding; });
  return at == std::end(kTypes) ? nullptr : at;
}

std::uint64_t safetensors_bytes(const SafetensorsType& type, const Shape& shape) {
  const auto bits = checked_mul(element_count(shape), type.bits);
  if (!bits)
    fail(ErrorCode::kInput, "{} of shape {} has more bits than 64 bits can count", type.dtype, to_string(shape));
  if (*bits % 8)
    fail(ErrorCode::kInput, "{} of shape {} takes {} bits, not whole bytes", type.dtype, to_string(shape), *bits);
  return *bits / 8;
}

SafetensorsHeader read_safetensors_header(const File& file) {
  return with_context(fmt::format("while reading {}", file.path().string()), [&] {
    const HeaderText text = read_header_text(file);
    SafetensorsHeader header = parse_header(text.json);
    check_names(header.tensors);
    check_contiguous(header.tensors, file.size() - text.data_start);
    for (SafetensorsTensor& tensor : header.tensors) tensor.offset += text.data_start;
    return header;
  });
}

std::string lay_out_safetensors(std::vector<SafetensorsTensor>& tensors) {
  std::vector<SafetensorsTensor*> order;
  for (SafetensorsTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const SafetensorsTensor* a, const SafetensorsTensor* b) {
    return a->type->bits != b->type->bits ? a->type->bits > b->type->bits : a->name < b->name;
  });
  // "pt" because transformers refuses a file whose format it does not know.
  std::string text = fmt::format("{{\"{}\":{{\"format\":\"pt\"}}", kMetadata);
  std::uint64_t end = 0;
  for (SafetensorsTensor* tensor : order) {
    tensor->offset = end;
    tensor->bytes = safetensors_bytes(*tensor->type, tensor->shape);
    end += tensor->bytes;
    fmt::format_to(std::back_inserter(text), ",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                   dump_json(tensor->name), tensor->type->dtype, fmt::join(tensor->shape, ","), tensor->offset, end);
  }
  text += '}';
  text.resize(round_up(text.size(), kHeaderUnit), ' ');
  std::string header(sizeof(std::uint64_t), '\0');
  store<std::uint64_t>(header.data(), text.size());
  header += text;
  for (SafetensorsTensor& tensor : tensors) tensor.offset += header.size();
  return header;
}

}  // namespace quern
