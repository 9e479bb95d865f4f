// The GGUF header, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
//   bytes  what
//   4      "GGUF"
//   4      version
//   8, 8   count of tensors, count of metadata pairs
//          pairs: string key, u32 type, value. A string is u64 length + bytes; an array is u32 item type, u64 count,
//          items tensors: string name, u32 dims, u64 extents (innermost first), u32 ggml type, u64 offset into the data
//          padding to general.alignment, then the data; each tensor begins at a multiple of the alignment
#include "format/gguf_header.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/fail.h"
#include "base/printable.h"
#include "packed/i2_s.h"

namespace quern {
namespace {

constexpr int kMaxArrayDepth = 8;
constexpr std::size_t kMaxKeyBytes = 65535;
constexpr std::uint64_t kMostReserved = std::uint64_t{1} << 22;  // items, before any of them was read
constexpr std::uint64_t kMaxPairs = 65536;  // models have a hundred; one takes six times its bytes in memory
constexpr std::uint64_t kMaxTensors = std::uint64_t{1} << 20;  // five times what the largest mixtures have
// The least a thing takes in the file: what a count of them may promise.
constexpr std::uint64_t kLeastPair = 8 + 4 + 1, kLeastTensor = 8 + 4 + 4 + 8, kLeastString = 8, kLeastArray = 4 + 8;

// Reads forward through a window of the file, so that memory stays bounded by what the file really holds.
class Cursor {
 public:
  explicit Cursor(const File& file) : file_(file) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return file_.size() - position_; }

  void require(std::uint64_t bytes, std::string_view what) const {
    if (bytes > remaining()) {
      fail(ErrorCode::kInput,
           "{} at byte {} takes {} bytes, but {} remain of the file; it is cut short or damaged: download it again",
           what, position_, bytes, remaining());
    }
  }
  // Whether `count` things of at least `least` bytes can follow.
  void require_items(std::uint64_t count, std::uint64_t least, std::string_view what) const {
    if (count > remaining() / least) {
      fail(ErrorCode::kInput,
           "{} {} are announced at byte {}, but {} bytes remain of the file; it is cut short or damaged: download it "
           "again",
           count, what, position_, remaining());
    }
  }
  void read(std::span<std::byte> out, std::string_view what) {
    require(out.size(), what);
    if (out.empty()) return;  // an empty vector has no address to copy to
    if (out.size() > kWindow) {
      file_.read(position_, out);
    } else {
      if (position_ < begin_ || position_ + out.size() > begin_ + window_.size()) {
        begin_ = position_;
        window_.resize(std::min<std::uint64_t>(kWindow, remaining()));
        file_.read(begin_, window_);
      }
      std::memcpy(out.data(), window_.data() + (position_ - begin_), out.size());
    }
    position_ += out.size();
  }
  template <typename T>
  T scalar(std::string_view what) {
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)), what);
    return value;
  }
  std::string text(std::string_view what) {
    const auto length = scalar<std::uint64_t>(what);
    require(length, what);
    std::string value(length, '\0');
    read(std::as_writable_bytes(std::span(value)), what);
    return value;
  }

 private:
  static constexpr std::uint64_t kWindow = 1 << 16;

  const File& file_;
  std::uint64_t position_ = 0, begin_ = 0;
  std::vector<std::byte> window_;
};

void check_bool(std::uint8_t value) {
  if (value > 1) fail(ErrorCode::kInput, "a bool is {}, not 0 or 1", value);
}

MetaArray read_array(Cursor& cursor, int depth);

template <typename T>
std::vector<T> read_items(Cursor& cursor, std::uint64_t count, int depth) {
  std::vector<T> items;
  if constexpr (std::is_arithmetic_v<T>) {
    cursor.require_items(count, sizeof(T), "array items");
    items.resize(count);
    cursor.read(std::as_writable_bytes(std::span(items)), "an array");
  } else if constexpr (std::is_same_v<T, std::string>) {
    cursor.require_items(count, kLeastString, "strings");
    items.reserve(std::min(count, kMostReserved));
    for (std::uint64_t i = 0; i < count; ++i) items.push_back(cursor.text("a string"));
  } else {
    cursor.require_items(count, kLeastArray, "arrays");
    items.reserve(std::min(count, kMostReserved));
    for (std::uint64_t i = 0; i < count; ++i) items.push_back(read_array(cursor, depth + 1));
  }
  return items;
}

// The reader of value type `type`: calls `use` with a T of that type's place in MetaValue.
template <typename Use, std::size_t... kIds>
void with_value_type(std::uint32_t type, Use&& use, std::index_sequence<kIds...>) {
  const bool known =
      ((type == kIds ? (use(std::type_identity<std::variant_alternative_t<kIds, MetaValue>>()), true) : false) || ...);
  if (!known)
    fail(ErrorCode::kInput, "value type {} is unknown (types 0 to {} are defined)", type, kGgufValueTypes - 1);
}

using ValueTypes = std::make_index_sequence<kGgufValueTypes>;
static_assert(std::variant_size_v<MetaValue> == kGgufValueTypes);
static_assert(std::is_same_v<std::variant_alternative_t<std::size_t(GgufValueType::kArray), MetaValue>, MetaArray>);

MetaArray read_array(Cursor& cursor, int depth) {
  if (depth > kMaxArrayDepth) fail(ErrorCode::kInput, "arrays are nested deeper than {} levels", kMaxArrayDepth);
  const auto type = cursor.scalar<std::uint32_t>("an array's item type");
  const auto count = cursor.scalar<std::uint64_t>("an array's length");
  MetaArray array;
  with_value_type(
      type,
      [&]<typename T>(std::type_identity<T>) {
        if constexpr (std::is_same_v<T, bool>) {
          array.is_bool = true;
          auto items = read_items<std::uint8_t>(cursor, count, depth);
          for (const std::uint8_t item : items) check_bool(item);
          array.items = std::move(items);
        } else {
          array.items = read_items<T>(cursor, count, depth);
        }
      },
      ValueTypes());
  return array;
}

MetaValue read_value(Cursor& cursor) {
  MetaValue value;
  with_value_type(
      cursor.scalar<std::uint32_t>("a value type"),
      [&]<typename T>(std::type_identity<T>) {
        if constexpr (std::is_same_v<T, bool>) {
          const auto byte = cursor.scalar<std::uint8_t>("a bool");
          check_bool(byte);
          value = byte == 1;
        } else if constexpr (std::is_same_v<T, std::string>) {
          value = cursor.text("a string");
        } else if constexpr (std::is_same_v<T, MetaArray>) {
          value = read_array(cursor, 1);
        } else {
          value = cursor.scalar<T>("a number");
        }
      },
      ValueTypes());
  return value;
}

Metadata read_metadata(Cursor& cursor, std::uint64_t count) {
  std::vector<Metadata::Pair> pairs;
  std::unordered_set<std::string> keys;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = with_context(fmt::format("metadata pair {}", i), [&] { return cursor.text("a key"); });
    with_context(fmt::format("metadata key \"{}\"", excerpt(key, kMaxKeyBytes)), [&] {
      if (key.empty() || key.size() > kMaxKeyBytes) fail(ErrorCode::kInput, "a key of {} bytes", key.size());
      if (!keys.insert(key).second) fail(ErrorCode::kInput, "the key appears twice");
      pairs.emplace_back(key, read_value(cursor));
    });
  }
  return Metadata(std::move(pairs));
}

void check_start(Cursor& cursor) {
  char magic[sizeof kGgufMagic];
  cursor.read(std::as_writable_bytes(std::span(magic)), "the magic");
  if (std::memcmp(magic, kGgufMagic, sizeof magic) != 0) {
    const auto word = load<std::uint32_t>(magic);
    fail(ErrorCode::kInput, "the file begins with bytes {:#010x} and not with \"GGUF\"{}", word,
         word == 0x67676a74 || word == 0x67676d66 || word == 0x67676d6c || word == 0x67676c61
             ? ": it is in one of the formats before GGUF, convert the original model with a present llama.cpp"
             : "");
  }
  const auto version = cursor.scalar<std::uint32_t>("the version");
  if ((version & 0xffff) == 0) {
    fail(ErrorCode::kInput,
         "the file is big-endian (version bytes {:#010x}); convert it with gguf-py's gguf_convert_endian", version);
  }
  if (version != 2 && version != 3)
    fail(ErrorCode::kInput, "GGUF version {} is not supported; versions 2 and 3 are", version);
}

// The type of the I2_S tensors of a file that says it; null: it does not.
const GgmlType* stated_i2_s(const Metadata& metadata) {
  const std::optional<std::string> order = metadata.text(kI2sOrderKey);
  if (!order) return nullptr;
  const GgmlType* type = find_ggml_type(*order);
  if (!type || type->id != kI2sType)
    fail(ErrorCode::kInput, "{} is \"{}\"; i2_s and i2_s_rows are known", kI2sOrderKey, excerpt(*order, kMaxKeyBytes));
  return type;
}

bool is_i2_s(const TensorEntry& tensor) { return tensor.encoding.starts_with("i2_s"); }
// Blocks of 128 weights that reach from one row into the next.
bool has_cut_blocks(const TensorEntry& tensor) {
  return tensor.encoding == "i2_s" && row_layout(tensor.shape).cols % find_ggml_type(kI2sType)->block_weights != 0;
}

// The offset still counts from the start of the data here, and all bytes are one part.
TensorEntry read_tensor(Cursor& cursor, const GgmlType* i2_s) {
  TensorEntry tensor;
  tensor.name = cursor.text("a tensor name");
  return with_context(fmt::format("tensor \"{}\"", excerpt(tensor.name, kMaxKeyBytes)), [&] {
    if (tensor.name.empty() || tensor.name.size() > kMaxKeyBytes)
      fail(ErrorCode::kInput, "a name of {} bytes", tensor.name.size());
    const auto dims = cursor.scalar<std::uint32_t>("the number of dimensions");
    if (dims > kGgufMaxDims) fail(ErrorCode::kInput, "{} dimensions; GGUF allows {}", dims, kGgufMaxDims);
    tensor.shape.resize(dims);
    for (std::uint64_t& extent : tensor.shape) extent = cursor.scalar<std::uint64_t>("an extent");
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    const auto id = cursor.scalar<std::uint32_t>("a tensor type");
    const GgmlType* type = id == kI2sType && i2_s ? i2_s : find_ggml_type(id);
    if (!type) fail(ErrorCode::kInput, "ggml type {} is unknown, or was removed from ggml", id);
    tensor.encoding = type->name;
    const auto offset = cursor.scalar<std::uint64_t>("an offset");
    const bool is_cut = id == kI2sType && has_cut_blocks(tensor);
    tensor.parts.push_back({0, offset, is_cut ? i2_s_bytes(tensor.shape) : ggml_bytes(*type, tensor.shape)});
    return std::move(tensor);
  });
}

void check_place(const TensorEntry& tensor, std::uint64_t alignment, std::uint64_t data_bytes) {
  const TensorPart& place = tensor.parts[0];
  if (place.offset % alignment) {
    fail(ErrorCode::kInput, "tensor \"{}\" begins at byte {} of the data, which is no multiple of the alignment {}",
         tensor.name, place.offset, alignment);
  }
  if (place.offset > data_bytes || place.bytes > data_bytes - place.offset) {
    fail(ErrorCode::kInput,
         "tensor \"{}\" takes {} bytes at {} of the data, but the file has {}; it is cut short: download it again",
         tensor.name, place.bytes, place.offset, data_bytes);
  }
}

// Sorts by name, in place: of hundreds of thousands a list of views would be a fourth of the header.
void check_names(std::vector<TensorEntry>& tensors) {
  std::ranges::sort(tensors, {}, &TensorEntry::name);
  if (const auto twice = std::ranges::adjacent_find(tensors, {}, &TensorEntry::name); twice != tensors.end())
    fail(ErrorCode::kInput, "tensor \"{}\" appears twice", twice->name);
}

void check_no_overlap(const std::vector<TensorEntry>& tensors) {
  std::vector<const TensorEntry*> order;
  order.reserve(tensors.size());  // what stays unused of it takes no memory
  for (const TensorEntry& tensor : tensors)
    if (tensor.parts[0].bytes) order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const TensorEntry* t) { return std::tie(t->parts[0].offset, t->name); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorPart &before = order[i - 1]->parts[0], &after = order[i]->parts[0];
    if (before.offset + before.bytes > after.offset) {
      fail(ErrorCode::kInput, "tensors \"{}\" ({} bytes at {} of the data) and \"{}\" (at {}) overlap",
           order[i - 1]->name, before.bytes, before.offset, order[i]->name, after.offset);
    }
  }
}

// Type 36 has another meaning in old versions of llama.cpp: of bitnet.cpp's I2_S the room up to the next tensor, or to
// the end of the file, is just what it takes. Offsets count from the start of the data.
void check_i2_s(const std::vector<TensorEntry>& tensors, std::uint64_t alignment, std::uint64_t data_bytes) {
  if (std::ranges::none_of(tensors, is_i2_s)) return;
  std::vector<std::uint64_t> begins{data_bytes};
  for (const TensorEntry& tensor : tensors) begins.push_back(tensor.parts[0].offset);
  std::ranges::sort(begins);
  for (const TensorEntry& tensor : tensors) {
    if (!is_i2_s(tensor)) continue;
    const TensorPart& place = tensor.parts[0];
    const std::uint64_t room = *std::ranges::upper_bound(begins, place.offset) - place.offset;
    if (room > round_up(place.bytes, alignment))
      fail(ErrorCode::kInput,
           "tensor \"{}\" of ggml type {} has room for {} bytes, and as I2_S of bitnet.cpp it would take {}: it is in "
           "a type that was removed from ggml",
           tensor.name, kI2sType, room, place.bytes);
  }
}

}  // namespace

GgufHeader read_gguf_header(const File& file) {
  return with_context(fmt::format("while reading {}", file.path().string()), [&] {
    Cursor cursor(file);
    check_start(cursor);
    const auto tensor_count = cursor.scalar<std::uint64_t>("the count of tensors");
    const auto pair_count = cursor.scalar<std::uint64_t>("the count of metadata pairs");
    cursor.require_items(tensor_count, kLeastTensor, "tensors");
    cursor.require_items(pair_count, kLeastPair, "metadata pairs");
    if (pair_count > kMaxPairs)
      fail(ErrorCode::kInput, "{} metadata pairs are announced, more than the {} that are accepted", pair_count,
           kMaxPairs);
    if (tensor_count > kMaxTensors)
      fail(ErrorCode::kInput, "{} tensors are announced, more than the {} that are accepted", tensor_count,
           kMaxTensors);
    GgufHeader header;
    header.metadata = read_metadata(cursor, pair_count);
    const std::uint64_t alignment = gguf_alignment(header.metadata);
    const GgmlType* i2_s = stated_i2_s(header.metadata);
    header.tensors.reserve(std::min(tensor_count, kMostReserved));
    for (std::uint64_t i = 0; i < tensor_count; ++i)
      header.tensors.push_back(
          with_context(fmt::format("entry {} of the tensor table", i), [&] { return read_tensor(cursor, i2_s); }));
    // A file without tensors may end before the padding.
    const std::uint64_t data_start = std::min(round_up(cursor.position(), alignment), file.size());
    for (const TensorEntry& tensor : header.tensors) check_place(tensor, alignment, file.size() - data_start);
    check_names(header.tensors);
    check_no_overlap(header.tensors);
    check_i2_s(header.tensors, alignment, file.size() - data_start);
    for (TensorEntry& tensor : header.tensors) {
      tensor.parts[0].offset += data_start;
      if (has_cut_blocks(tensor)) {
        tensor = decoded_i2_s(tensor);
      } else if (is_i2_s(tensor)) {
        const TensorPart place = tensor.parts[0];
        tensor.parts = ggml_parts(*find_ggml_type(tensor.encoding), place.offset, place.bytes);
      }
    }
    return header;
  });
}

}  // namespace quern
