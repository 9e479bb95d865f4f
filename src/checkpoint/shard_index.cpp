// Programs that drop or add layers leave the index as it was. Whether a tensor is missing, the model's description
// says.
#include "checkpoint/shard_index.h"

#include <algorithm>
#include <map>

#include "base/counted.h"
#include "base/fail.h"

namespace quern {
namespace {

constexpr std::size_t kNamesShown = 3;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kNamesShown ? text + ", ..." : text;
}

}  // namespace

std::vector<std::string> check_index(const std::filesystem::path& index, const Json& weight_map,
                                     const std::vector<std::filesystem::path>& shards,
                                     const std::vector<TensorEntry>& tensors) {
  std::map<std::string_view, std::uint32_t> holder;
  const auto shard = [&](std::uint32_t file) { return shards[file].filename().string(); };
  for (const TensorEntry& tensor : tensors) {
    const auto [at, fresh] = holder.emplace(tensor.name, tensor.parts[0].file);
    if (!fresh)
      fail(ErrorCode::kInput, "tensor \"{}\" lies in two shards, {} and {}", tensor.name, shard(at->second),
           shard(tensor.parts[0].file));
  }
  std::vector<std::string> absent, elsewhere, omitted, notes;
  for (const auto& [name, file] : weight_map.as_object()) {
    const auto at = holder.find(name);
    if (at == holder.end()) {
      absent.push_back(name);
      continue;
    }
    if (shard(at->second) != file.as_string()) elsewhere.push_back(name);
    holder.erase(at);
  }
  for (const auto& [name, file] : holder) omitted.emplace_back(name);
  const auto tell = [&](const std::vector<std::string>& names, const char* what) {
    if (!names.empty())
      notes.push_back(fmt::format("the index {} {} {}: {}", index.filename().string(), what,
                                  counted(names.size(), "tensor"), listed(names)));
  };
  tell(absent, "names what no shard holds,");
  tell(elsewhere, "has in another shard than it lies in");
  tell(omitted, "omits, and they are used all the same,");
  return notes;
}

}  // namespace quern
