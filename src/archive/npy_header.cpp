// An array, from its beginning:
//
//   offset  bytes   what
//   0       6       "\x93NUMPY"
//   6       2       version: 1.0, 2.0 or 3.0
//   8       2 or 4  N, length of the header (two bytes in version 1)
//   ...     N       a dictionary as Python writes it, spaces, an end of line:
//                   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//   ...     rest    elements; in Fortran's order the first index runs fastest
#include "archive/npy_header.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"

namespace quern {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostAxes = 64;               // of an array, as in numpy
constexpr std::uint64_t kMaxHeaderBytes = 1 << 16;  // numpy itself reads 10,000

// numpy's letters of an element: '<' little-endian, '>' big-endian, '|' without an order; then kind and bytes.
struct NpyType {
  std::string_view kind_and_bytes;
  const char* encoding;
  std::uint64_t bytes, word_bytes;
};
constexpr NpyType kTypes[] = {
    {"b1", "bool", 1, 1}, {"i1", "i8", 1, 1},  {"u1", "u8", 1, 1},  {"i2", "i16", 2, 2}, {"u2", "u16", 2, 2},
    {"i4", "i32", 4, 4},  {"u4", "u32", 4, 4}, {"i8", "i64", 8, 8}, {"u8", "u64", 8, 8}, {"f2", "f16", 2, 2},
    {"f4", "f32", 4, 4},  {"f8", "f64", 8, 8}, {"c8", "c64", 8, 4},
};

// What the dictionary says.
struct Fields {
  std::optional<std::string_view> descr;  // a list of fields of a record as it stands
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

// Reads as much of Python as numpy writes.
class DictionaryReader {
 public:
  explicit DictionaryReader(std::string_view text) : text_(text) {}

  Fields read() {
    Fields fields;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !fields.descr) {
        fields.descr = descr();
      } else if (key == "fortran_order" && !fields.fortran_order) {
        fields.fortran_order = boolean();
      } else if (key == "shape" && !fields.shape) {
        fields.shape = shape();
      } else {
        fail(ErrorCode::kInput, "the header has a key '{}', unknown or for the second time", printable_line(key));
      }
      if (accept('}')) break;
      expect(',');
    }
    skip_spaces();
    if (!text_.empty()) fail(ErrorCode::kInput, "the header goes on behind its dictionary");
    return fields;
  }

 private:
  void skip_spaces() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }
  bool accept(char wanted) {
    skip_spaces();
    if (!text_.starts_with(wanted)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted))
      fail(ErrorCode::kInput, "the header has \"{}\" where '{}' is expected", excerpt(text_), wanted);
  }
  std::string_view quoted() {
    skip_spaces();
    const char quote = text_.starts_with('"') ? '"' : '\'';
    expect(quote);
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) fail(ErrorCode::kInput, "a string of the header does not end");
    const std::string_view value = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return value;
  }
  // A string, or the list that describes a record, whose brackets balance.
  std::string_view descr() {
    skip_spaces();
    if (!text_.starts_with('[')) return quoted();
    std::size_t depth = 0, at = 0;
    do {
      if (at == text_.size()) fail(ErrorCode::kInput, "a list of the header does not end");
      depth += text_[at] == '[';
      depth -= text_[at] == ']';
      ++at;
    } while (depth > 0);
    const std::string_view value = text_.substr(0, at);
    text_.remove_prefix(at);
    return value;
  }
  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] : {std::pair("True", true), std::pair("False", false)})
      if (text_.starts_with(word)) {
        text_.remove_prefix(std::string_view(word).size());
        return value;
      }
    fail(ErrorCode::kInput, "fortran_order is neither True nor False");
  }
  Shape shape() {
    Shape extents;
    expect('(');
    while (!accept(')')) {
      if (extents.size() == kMostAxes) fail(ErrorCode::kInput, "more than {} axes", kMostAxes);
      extents.push_back(number());
      if (accept(')')) break;
      expect(',');
    }
    return extents;
  }
  // Python 2 wrote an L behind long ones.
  std::uint64_t number() {
    skip_spaces();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      const auto tens = checked_mul(value, 10);
      const auto sum = tens ? checked_add(*tens, static_cast<std::uint64_t>(text_[digits] - '0')) : std::nullopt;
      if (!sum) fail(ErrorCode::kInput, "an extent is beyond 64 bits");
      value = *sum;
    }
    if (digits == 0) fail(ErrorCode::kInput, "the shape holds \"{}\"", excerpt(text_));
    text_.remove_prefix(digits);
    accept('L');
    return value;
  }

  std::string_view text_;
};

struct HeaderText {
  std::string text;
  std::uint64_t end = 0;  // where the elements begin
};

HeaderText read_text_of(const File& file, const ByteRun& run) {
  std::byte head[12];
  if (run.bytes < sizeof head) fail(ErrorCode::kInput, "{} bytes are too few for an array of numpy", run.bytes);
  run.read(file, 0, head);
  if (!std::ranges::equal(std::as_bytes(std::span(kMagic)), std::span(head).first(kMagic.size())))
    fail(ErrorCode::kInput, "it does not begin as an array of numpy does");
  const auto major = std::to_integer<unsigned>(head[6]), minor = std::to_integer<unsigned>(head[7]);
  if (major < 1 || major > 3 || minor != 0)
    fail(ErrorCode::kInput, "version {}.{} of the format; 1.0, 2.0 and 3.0 are read", major, minor);
  const std::uint64_t start = major == 1 ? 10 : 12;
  const std::uint64_t length = major == 1 ? load<std::uint16_t>(head + 8) : load<std::uint32_t>(head + 8);
  if (length > kMaxHeaderBytes || length > run.bytes - start)
    fail(ErrorCode::kInput, "a header of {} bytes in an array of {}", length, run.bytes);
  HeaderText header{std::string(length, '\0'), start + length};
  run.read(file, start, std::as_writable_bytes(std::span(header.text)));
  return header;
}

enum class AxisOrder { kC, kFortran };
std::vector<std::uint64_t> strides_of(const Shape& shape, AxisOrder order) {
  std::vector<std::uint64_t> strides(shape.size());
  std::uint64_t step = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t axis = order == AxisOrder::kFortran ? i : shape.size() - 1 - i;
    strides[axis] = step;
    step *= shape[axis];  // checked with the number of elements, where there are any
  }
  return strides;
}

std::optional<NpyArray> array_of(const Fields& fields, std::uint64_t begin, std::uint64_t file_bytes) {
  const std::string_view descr = *fields.descr;
  const auto type =
      std::ranges::find(kTypes, descr.substr(std::min<std::size_t>(1, descr.size())), &NpyType::kind_and_bytes);
  if (type == std::end(kTypes) || std::string_view("<>|=").find(descr[0]) == std::string_view::npos)
    return std::nullopt;
  const auto bytes = checked_mul(element_count(*fields.shape), type->bytes);
  if (!bytes || *bytes != file_bytes - begin)
    fail(ErrorCode::kInput, "{} of shape {} takes {} bytes, but there are {}", descr, to_string(*fields.shape),
         bytes ? std::to_string(*bytes) : "2^64 or more", file_bytes - begin);
  const auto order = descr[0] == '>' ? StridedLayout::Order::kBigEndian : StridedLayout::Order::kLittleEndian;
  const AxisOrder axes = *fields.fortran_order ? AxisOrder::kFortran : AxisOrder::kC;
  return NpyArray{type->encoding,
                  {type->bytes, begin, *fields.shape, strides_of(*fields.shape, axes), order, type->word_bytes}};
}

}  // namespace

NpyHeader read_npy_header(const File& file, const ByteRun& run) {
  const HeaderText header = read_text_of(file, run);
  const Fields fields = DictionaryReader(header.text).read();
  if (!fields.descr || !fields.fortran_order || !fields.shape)
    fail(ErrorCode::kInput, "the header lacks descr, fortran_order or shape");
  return {std::string(*fields.descr), array_of(fields, header.end, run.bytes)};
}

}  // namespace quern
