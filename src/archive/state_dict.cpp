// Walks through the nodes of a pickle from its root. Each place is visited, however often its node is shared, so that
// visits are counted.
#include "archive/state_dict.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/counted.h"
#include "base/fail.h"
#include "base/printable.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kMostDepth = 64, kMostNameBytes = 1024, kMostVisits = 4'000'000;
constexpr std::size_t kMostKinds = 200;  // of things that are left out
constexpr std::size_t kMostConfigValues = 10'000;
constexpr std::uint64_t kTensorBytes = 700;  // of an entry of the table of tensors, beside its name, at most
constexpr std::uint64_t kFreeWalkBytes = std::uint64_t{16} << 20, kWalkBytesPerByte = 15,
                        kMostWalkBytes = std::uint64_t{900} << 20;
constexpr std::string_view kModelKeys[] = {"state_dict", "model_state_dict", "model"};
constexpr std::string_view kConfigKeys[] = {"config", "model_config", "hyper_parameters", "hparams", "args"};
constexpr std::string_view kOptimizerWords[] = {"optim", "scheduler"};
// Where an nn.Module that was pickled whole keeps what its state dict shows without these names.
constexpr std::string_view kModuleAttributes[] = {"_parameters", "_buffers", "_modules"};

bool is_one_of(std::string_view key, std::span<const std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

bool is_optimizer(std::string_view key) {
  return std::ranges::any_of(kOptimizerWords, [&](auto word) { return key.find(word) != std::string_view::npos; });
}

bool is_container(Kind kind) { return kind == Kind::kDict || kind == Kind::kTuple || kind == Kind::kList; }

// TorchScript tells equal names of classes apart by a component that says nothing: "linear.___torch_mangle_7.Linear".
std::string without_mangling(std::string_view name) {
  constexpr std::string_view kMangled = ".___torch_mangle_";
  const std::size_t begin = name.find(kMangled);
  if (begin == std::string_view::npos) return std::string(name);
  const std::size_t end = std::min(name.find('.', begin + 1), name.size());
  return std::string(name.substr(0, begin)) + std::string(name.substr(end));
}

class Walk {
 public:
  explicit Walk(const Pickle& pickle)
      : pickle_(pickle), budget_(std::min(kFreeWalkBytes + kWalkBytesPerByte * pickle.bytes(), kMostWalkBytes)) {
    budget_ -= std::min(pickle.memory(), budget_);
  }

  StateDict run() {
    const PickleNode* model = &pickle_.root();
    for (int level = 0; level < 2; ++level) {
      const PickleNode* inner = model_in(*model);
      if (!inner) break;
      tell_of_others(*model, *inner);
      model = inner;
    }
    if (model == &pickle_.root()) top_ = model;
    visit(*model, "", 0);
    for (const auto& [what, left] : left_out_)
      found_.notes.push_back(left.count == 1
                                 ? fmt::format("{}: {}, left out", left.first, what)
                                 : fmt::format("{} and {} more: each {}, left out", left.first, left.count - 1, what));
    return std::move(found_);
  }

 private:
  struct LeftOut {
    std::string first;
    std::uint64_t count = 0;
  };

  void count_visit(std::string_view path, std::size_t depth) {
    if (depth > kMostDepth) fail(ErrorCode::kInput, "{} is nested more than {} deep", excerpt(path), kMostDepth);
    if (path.size() > kMostNameBytes) fail(ErrorCode::kInput, "{} has a name of {} bytes", excerpt(path), path.size());
    if (++visits_ > kMostVisits) fail(ErrorCode::kInput, "the pickle has more than {} places", kMostVisits);
  }

  // State of an object, where that is its attributes.
  const PickleNode* attributes_of(const PickleNode& node) const {
    if (node.kind != Kind::kObject || node.state == 0) return nullptr;
    const PickleNode& state = pickle_[node.state];
    return state.kind == Kind::kDict ? &state : nullptr;
  }

  std::uint64_t tensors_below(const PickleNode& node, std::size_t depth = 0) {
    if (depth > kMostDepth || ++looks_ > kMostVisits) return 0;
    if (is_tensor(node)) return 1;
    const PickleNode* inside = attributes_of(node);
    if (!inside && !is_container(node.kind)) return 0;
    std::uint64_t sum = 0;
    for (const PickleId item : (inside ? inside : &node)->items) sum += tensors_below(pickle_[item], depth + 1);
    return sum;
  }
  // Without a look at its arguments.
  bool is_tensor(const PickleNode& node) const {
    const std::string_view name = pickle_.class_of(node);
    return name.starts_with("torch._") && name.find("._rebuild_") != std::string_view::npos;
  }

  // Of a tensor whose class is a package's own: _rebuild_from_type_v2(function, class, arguments, state). Empty: it is
  // torch.Tensor.
  std::string_view tensor_class(const PickleNode& node) const {
    if (!pickle_.class_of(node).ends_with("._rebuild_from_type_v2") || node.items.size() < 2) return {};
    const PickleNode& arguments = pickle_[node.items[1]];
    if (arguments.kind != Kind::kTuple || arguments.items.size() < 2) return {};
    const PickleNode& name = pickle_[arguments.items[1]];
    return name.kind == Kind::kName ? name.text : std::string_view();
  }

  // The model within a dictionary that has other things beside it; null: it is the model.
  const PickleNode* model_in(const PickleNode& node) {
    if (node.kind != Kind::kDict) return nullptr;
    for (std::size_t i = 1; i < node.items.size(); i += 2)
      if (is_tensor(pickle_[node.items[i]])) return nullptr;
    for (const std::string_view key : kModelKeys)
      if (const PickleNode* inner = pickle_.find(node, key); inner && tensors_below(*inner) > 0) return inner;
    return nullptr;
  }

  void tell_of_others(const PickleNode& around, const PickleNode& model) {
    for (std::size_t i = 0; i + 1 < around.items.size(); i += 2) {
      const PickleNode &key = pickle_[around.items[i]], &value = pickle_[around.items[i + 1]];
      if (&value == &model || key.kind != Kind::kText) continue;
      if (found_.notes.size() == kMostKinds) return;
      found_.notes.push_back(tell_of(key.text, value));
    }
  }

  std::string tell_of(std::string_view key, const PickleNode& value) {
    const std::string name = excerpt(key);
    const std::uint64_t tensors = tensors_below(value);
    if (is_optimizer(key))
      return fmt::format("{}: state of an optimizer, {}, left out", name, counted(tensors, "tensor"));
    if (tensors > 0) return fmt::format("{}: {} beside the model, left out", name, counted(tensors, "tensor"));
    const PickleNode* attributes = attributes_of(value);
    const PickleNode& settings = attributes ? *attributes : value;
    if (is_one_of(key, kConfigKeys) && settings.kind == Kind::kDict && found_.config.is_null()) {
      std::size_t values = 0;
      found_.config = json_of(settings, 0, values);
      if (values <= kMostConfigValues)
        return fmt::format("{}: {}, taken for the configuration where no config.json lies beside the file", name,
                           counted(settings.items.size() / 2, "setting"));
      found_.config = {};
    }
    return fmt::format("{}: {}, left out", name, kind_of(value));
  }

  // What a leaf is, with a short value.
  std::string kind_of(const PickleNode& node) const {
    switch (node.kind) {
      case Kind::kNone:
        return "None";
      case Kind::kBool:
        return node.integer ? "True" : "False";
      case Kind::kInteger:
        return fmt::format("{}", node.integer);
      case Kind::kFloat:
        return fmt::format("{}", node.number);
      case Kind::kText:
        return fmt::format("\"{}\"", excerpt(node.text));
      case Kind::kName:
        return "the name " + excerpt(node.text);
      case Kind::kBigInteger:
        return "a large integer";
      case Kind::kBytes:
        return counted(node.text.size(), "byte");
      case Kind::kDict:
        return "a dictionary of " + counted(node.items.size() / 2, "item");
      case Kind::kSet:
      case Kind::kTuple:
      case Kind::kList:
        return "a list of " + counted(node.items.size(), "item");
      case Kind::kPersistent:
        return "an object outside the pickle";
      case Kind::kObject:
        break;
    }
    const std::string name = without_mangling(pickle_.class_of(node));
    return name.empty() ? "an object without a class" : "an object of " + excerpt(name);
  }

  Json json_of(const PickleNode& node, std::size_t depth, std::size_t& values) const {
    if (depth > kMostDepth || ++values > kMostConfigValues) return {};
    switch (node.kind) {
      case Kind::kBool:
        return node.integer != 0;
      case Kind::kInteger:
        return node.integer;
      case Kind::kFloat:
        return std::isfinite(node.number) ? Json(node.number) : Json();
      case Kind::kText:
        return node.text;
      case Kind::kTuple:
      case Kind::kList: {
        Json list = Json::array();
        for (const PickleId item : node.items) {
          if (values > kMostConfigValues) break;
          list.push_back(json_of(pickle_[item], depth + 1, values));
        }
        return list;
      }
      case Kind::kDict: {
        Json object = Json::object();
        for (std::size_t i = 0; i + 1 < node.items.size() && values <= kMostConfigValues; i += 2)
          if (const PickleNode& key = pickle_[node.items[i]]; key.kind == Kind::kText)
            object.set(key.text, json_of(pickle_[node.items[i + 1]], depth + 1, values));
        return object;
      }
      default:
        return {};
    }
  }

  void leave_out(const std::string& path, std::string what) {
    if (left_out_.size() == kMostKinds && !left_out_.contains(what)) what = "something else";
    LeftOut& left = left_out_[std::move(what)];
    if (left.count++ == 0) left.first = path.empty() ? "the pickle" : excerpt(path);
  }

  void add(const std::string& path, const TorchTensor& tensor) {
    const std::uint64_t bytes = kTensorBytes + 4 * path.size() + tensor.storage.key.size() + 16 * tensor.shape.size();
    if (bytes > budget_) fail(ErrorCode::kInput, "the tensors of the pickle need more memory than it may take");
    budget_ -= bytes;
    found_.tensors.push_back({path, tensor});
  }

  void visit(const PickleNode& node, const std::string& path, std::size_t depth) {
    count_visit(path, depth);
    const auto tensor =
        with_context(fmt::format("tensor {}", excerpt(path)), [&] { return torch_tensor_of(pickle_, node); });
    if (tensor) return add(path, *tensor);
    if (const std::string_view name = tensor_class(node); name.starts_with("torchao."))
      fail(ErrorCode::kInput,
           "{} is a {}, a quantized tensor of torchao, which is not read: have the program that made it dequantize the "
           "model and save floats, or use the original model",
           excerpt(path), excerpt(name));
    if (is_tensor(node))
      return leave_out(path,
                       fmt::format("a tensor made by {}, of a kind that is not read", excerpt(pickle_.class_of(node))));
    if (const PickleNode* attributes = attributes_of(node)) {
      const std::size_t before = found_.tensors.size();
      visit_items(*attributes, path, depth, Attributes::kYes);
      if (found_.tensors.size() == before) leave_out(path, kind_of(node));
    } else if (is_container(node.kind)) {
      visit_items(node, path, depth, Attributes::kNo);
    } else if (node.kind != Kind::kNone) {
      const bool is_value = node.kind == Kind::kBool || node.kind == Kind::kInteger || node.kind == Kind::kFloat ||
                            node.kind == Kind::kText;
      leave_out(path, is_value && depth > 1 ? "a value" : kind_of(node));
    }
  }

  // Where the keys of a dictionary are: of equal texts, which Python keeps in the place of the first with the value of
  // the last, the last.
  std::vector<std::size_t> items_that_count(const PickleNode& dict) const {
    std::map<std::string_view, std::size_t> last;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
      if (const PickleNode& key = pickle_[dict.items[i]]; key.kind == Kind::kText) last[key.text] = i;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
      if (const PickleNode& key = pickle_[dict.items[i]]; key.kind != Kind::kText || last[key.text] == i)
        places.push_back(i);
    return places;
  }

  enum class Attributes { kNo, kYes };
  void visit_items(const PickleNode& node, const std::string& path, std::size_t depth, Attributes attributes) {
    const auto join = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
    if (node.kind != Kind::kDict) {
      for (std::size_t i = 0; i < node.items.size(); ++i)
        visit(pickle_[node.items[i]], join(std::to_string(i)), depth + 1);
      return;
    }
    for (const std::size_t i : items_that_count(node)) {
      const PickleNode &key = pickle_[node.items[i]], &value = pickle_[node.items[i + 1]];
      if (key.kind != Kind::kText && key.kind != Kind::kInteger) {
        leave_out(path, "an item whose key is " + kind_of(key));
      } else if (attributes == Attributes::kYes && is_one_of(key.text, kModuleAttributes)) {
        visit(value, path, depth + 1);
      } else if (&node == top_ && is_optimizer(key.text) && !is_tensor(value)) {
        if (found_.notes.size() < kMostKinds) found_.notes.push_back(tell_of(key.text, value));
      } else {
        visit(value, join(key.kind == Kind::kText ? std::string(key.text) : std::to_string(key.integer)), depth + 1);
      }
    }
  }

  const Pickle& pickle_;
  const PickleNode* top_ = nullptr;  // the root, where that is the model
  StateDict found_;
  std::map<std::string, LeftOut> left_out_;
  std::size_t visits_ = 0, looks_ = 0;  // of visit, and of tensors_below
  std::uint64_t budget_;
};

// A Linear of torch.ao.nn.quantized keeps weight and bias as a tuple.
void name_packed_parameters(std::vector<NamedTensor>& tensors) {
  constexpr std::string_view kPacked = "._packed_params._packed_params";
  for (const auto& [place, name] : {std::pair(".0", ".weight"), std::pair(".1", ".bias")})
    for (NamedTensor& named : tensors) {
      const std::string suffix = std::string(kPacked) + place;
      if (named.name.ends_with(suffix)) named.name.replace(named.name.size() - suffix.size(), suffix.size(), name);
    }
}

}  // namespace

StateDict find_state_dict(const Pickle& pickle) {
  StateDict found = Walk(pickle).run();
  name_packed_parameters(found.tensors);
  const auto quantized =
      std::ranges::count_if(found.tensors, [](const NamedTensor& t) { return t.tensor.quantization.has_value(); });
  if (quantized > 0)
    found.notes.push_back(fmt::format("{}: quantized by torch, read as f32: scale * (integer - zero point)",
                                      counted(static_cast<std::uint64_t>(quantized), "tensor")));
  return found;
}

std::string strip_wrappers(std::span<std::string* const> names) {
  std::string stripped;
  for (bool again = !names.empty(); again;) {
    again = false;
    for (const std::string_view prefix : {"module.", "_orig_mod."}) {
      const auto has_it = [&](const std::string* n) { return n->starts_with(prefix) && n->size() > prefix.size(); };
      if (!std::ranges::all_of(names, has_it)) continue;
      for (std::string* name : names) name->erase(0, prefix.size());
      stripped += prefix;
      again = true;
    }
  }
  return stripped;
}

}  // namespace quern
