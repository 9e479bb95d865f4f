// Calls of torch._utils that rebuild tensors, by name and arguments. None is carried out.
#include "archive/torch_tensor.h"

#include <algorithm>

#include "base/fail.h"
#include "base/printable.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;

constexpr TorchType kTypes[] = {
    {"FloatStorage", "float32", "f32", 4, 4},
    {"HalfStorage", "float16", "f16", 2, 2},
    {"BFloat16Storage", "bfloat16", "bf16", 2, 2},
    {"DoubleStorage", "float64", "f64", 8, 8},
    {"LongStorage", "int64", "i64", 8, 8},
    {"IntStorage", "int32", "i32", 4, 4},
    {"ShortStorage", "int16", "i16", 2, 2},
    {"CharStorage", "int8", "i8", 1, 1},
    {"ByteStorage", "uint8", "u8", 1, 1},
    {"BoolStorage", "bool", "bool", 1, 1},
    {"ComplexFloatStorage", "complex64", "c64", 8, 4},
    {"ComplexDoubleStorage", "complex128", nullptr, 16, 8},
    {"QInt8Storage", "qint8", "i8", 1, 1},
    {"QUInt8Storage", "quint8", "u8", 1, 1},
    {"QInt32Storage", "qint32", "i32", 4, 4},
    {"", "uint16", "u16", 2, 2},
    {"", "uint32", "u32", 4, 4},
    {"", "uint64", "u64", 8, 8},
    {"", "float8_e4m3fn", "f8_e4m3", 1, 1},
    {"", "float8_e5m2", "f8_e5m2", 1, 1},
    {"", "float8_e4m3fnuz", "f8_e4m3fnuz", 1, 1},
    {"", "float8_e5m2fnuz", "f8_e5m2fnuz", 1, 1},
    {"", "float8_e8m0fnu", "f8_e8m0", 1, 1},
};
constexpr std::string_view kUntyped[] = {"torch.storage.UntypedStorage", "torch.UntypedStorage"};
constexpr int kMostWrappers = 8;  // a parameter of a subclass of a parameter ...

// Arguments of a call, with what they are expected to be.
class Arguments {
 public:
  Arguments(const Pickle& pickle, const PickleNode& tuple) : pickle_(pickle), tuple_(tuple) {
    if (tuple.kind != Kind::kTuple && tuple.kind != Kind::kList) fail(ErrorCode::kInput, "its arguments are no tuple");
  }
  std::size_t size() const { return tuple_.items.size(); }
  const PickleNode& at(std::size_t i) const {
    if (i >= tuple_.items.size()) fail(ErrorCode::kInput, "it has {} arguments, and lacks one", tuple_.items.size());
    return pickle_[tuple_.items[i]];
  }
  std::uint64_t count(std::size_t i) const {
    const PickleNode& node = at(i);
    if (node.kind != Kind::kInteger || node.integer < 0)
      fail(ErrorCode::kInput, "argument {} is no count{}", i,
           node.kind == Kind::kInteger ? fmt::format(", but {}", node.integer) : "");
    return static_cast<std::uint64_t>(node.integer);
  }
  std::vector<std::uint64_t> counts(std::size_t i) const {
    const Arguments each(pickle_, at(i));
    if (each.size() > kMostAxes) fail(ErrorCode::kInput, "{} axes; at most {} are read", each.size(), kMostAxes);
    std::vector<std::uint64_t> values;
    for (std::size_t k = 0; k < each.size(); ++k) values.push_back(each.count(k));
    return values;
  }
  std::string_view text(std::size_t i) const {
    const PickleNode& node = at(i);
    if (node.kind != Kind::kText && node.kind != Kind::kName) fail(ErrorCode::kInput, "argument {} is no text", i);
    return node.text;
  }

 private:
  const Pickle& pickle_;
  const PickleNode& tuple_;
};

const TorchType* find_type(std::string_view name, const char* TorchType::* member) {
  for (const std::string_view module : {"torch.cuda.", "torch."})
    if (name.starts_with(module)) {
      name.remove_prefix(module.size());
      break;
    }
  const auto found = std::ranges::find_if(kTypes, [&](const TorchType& t) { return name == t.*member; });
  return found == std::end(kTypes) || name.empty() ? nullptr : found;
}

// (storage, offset, shape, strides ...).
TorchTensor place_of(const Pickle& pickle, const Arguments& arguments) {
  const auto storage = torch_storage_of(pickle, arguments.at(0));
  if (!storage) fail(ErrorCode::kInput, "a tensor is not made of a storage");
  TorchTensor tensor{*storage, storage->type, arguments.count(1), arguments.counts(2), arguments.counts(3), {}};
  if (tensor.shape.size() != tensor.strides.size())
    fail(ErrorCode::kInput, "a tensor of {} axes has {} strides", tensor.shape.size(), tensor.strides.size());
  return tensor;
}

// A quantizer is (torch.per_tensor_affine, scale, zero point), or has another name.
std::optional<TorchQuantization> quantization_of(const Pickle& pickle, const PickleNode& quantizer) {
  const Arguments parts(pickle, quantizer);
  if (parts.text(0) != "torch.per_tensor_affine") return std::nullopt;
  const PickleNode &scale = parts.at(1), &zero = parts.at(2);
  if (scale.kind != Kind::kFloat || zero.kind != Kind::kInteger)
    fail(ErrorCode::kInput, "a quantizer lacks its scale or zero point");
  return TorchQuantization{scale.number, zero.integer};
}

std::optional<TorchTensor> rebuilt(const Pickle& pickle, std::string_view function, const Arguments& arguments,
                                   int wrappers) {
  if (wrappers > kMostWrappers) fail(ErrorCode::kInput, "a tensor is wrapped more than {} times", kMostWrappers);
  if (function == "torch._utils._rebuild_parameter" || function == "torch._utils._rebuild_parameter_with_state") {
    const PickleNode& data = arguments.at(0);
    if (data.kind != Kind::kObject) return std::nullopt;
    return rebuilt(pickle, pickle.class_of(data), Arguments(pickle, pickle[data.items.at(1)]), wrappers + 1);
  }
  if (function == "torch._tensor._rebuild_from_type_v2")
    return rebuilt(pickle, arguments.text(0), Arguments(pickle, arguments.at(2)), wrappers + 1);
  const bool is_quantized = function == "torch._utils._rebuild_qtensor";
  const bool has_dtype = function == "torch._utils._rebuild_tensor_v3";
  if (!is_quantized && !has_dtype && function != "torch._utils._rebuild_tensor" &&
      function != "torch._utils._rebuild_tensor_v2")
    return std::nullopt;
  TorchTensor tensor = place_of(pickle, arguments);
  if (has_dtype) tensor.type = find_type(arguments.text(6), &TorchType::dtype);
  if (!tensor.type) {
    if (!has_dtype) fail(ErrorCode::kInput, "a tensor of bytes has no type");
    return std::nullopt;
  }
  if (is_quantized) {
    tensor.quantization = quantization_of(pickle, arguments.at(4));
    if (!tensor.quantization) return std::nullopt;
  }
  return tensor.type->encoding ? std::optional(tensor) : std::nullopt;
}

}  // namespace

std::optional<TorchStorage> torch_storage_of(const Pickle& pickle, const PickleNode& node) {
  if (node.kind != Kind::kPersistent) return std::nullopt;
  const PickleNode& id = pickle[node.items.at(0)];
  if (id.kind != Kind::kTuple || id.items.empty()) return std::nullopt;
  const PickleNode& what = pickle[id.items[0]];
  if (what.kind != Kind::kText || what.text != "storage") return std::nullopt;
  const Arguments arguments(pickle, id);
  TorchStorage storage{std::string(arguments.text(2)), nullptr, arguments.count(4), 0};
  if (const std::string_view type = arguments.text(1); std::ranges::find(kUntyped, type) == std::end(kUntyped)) {
    storage.type = find_type(type, &TorchType::storage);
    if (!storage.type)
      fail(ErrorCode::kInput, "storage {} is of an unknown type, {}", storage.key, printable_line(type));
  }
  // (key, offset, elements) of a part of it
  if (arguments.size() > 5 && arguments.at(5).kind == Kind::kTuple)
    storage.view_offset = Arguments(pickle, arguments.at(5)).count(1);
  return storage;
}

std::optional<TorchTensor> torch_tensor_of(const Pickle& pickle, const PickleNode& node) {
  if (node.kind != Kind::kObject) return std::nullopt;
  const std::string_view function = pickle.class_of(node);
  if (!function.starts_with("torch._")) return std::nullopt;
  const PickleNode& arguments = pickle[node.items.at(1)];
  if (arguments.kind != Kind::kTuple) return std::nullopt;
  return rebuilt(pickle, function, Arguments(pickle, arguments), 0);
}

TensorPart torch_part(const TorchTensor& tensor, const ByteRun& storage, std::uint32_t file,
                      StridedLayout::Order order) {
  const TorchStorage& from = tensor.storage;
  const auto stored = checked_mul(from.elements, from.element_bytes());
  if (!stored || *stored > storage.bytes)
    fail(ErrorCode::kInput, "storage {} is said to hold {} elements of {} bytes, but {} bytes are there",
         printable_line(from.key), from.elements, from.element_bytes(), storage.bytes);
  const auto first = checked_add(tensor.offset, from.view_offset);
  const auto offset = first ? checked_mul(*first, tensor.type->bytes) : std::nullopt;
  if (!offset) fail(ErrorCode::kInput, "it begins at element {} of its storage", tensor.offset);
  const TensorPart part = strided_part(
      storage, file, {tensor.type->bytes, *offset, tensor.shape, tensor.strides, order, tensor.type->word_bytes});
  if (!tensor.quantization) return part;
  return quantized_part(part, *tensor.quantization, tensor.type->encoding);
}

const char* torch_encoding(const TorchTensor& tensor) { return tensor.quantization ? kFloat32 : tensor.type->encoding; }

}  // namespace quern
