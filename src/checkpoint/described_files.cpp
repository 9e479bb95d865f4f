// Names behind the path that a person gave.
#include "checkpoint/described_files.h"

#include <fmt/ranges.h>

#include <span>

namespace quern {
namespace {

constexpr std::size_t kShown = 4;
constexpr const char* kOfGeneration = "generation_config.json";  // says nothing of the weights

std::string described(const std::filesystem::path& path, const std::vector<const SourceFile*>& found) {
  if (found.empty()) return path.string();
  if (found.size() == 1) return found.front()->path.string();
  std::vector<std::string> names;
  for (const SourceFile* file : found) names.push_back(file->path.filename().string());
  const std::size_t shown = names.size() > kShown ? kShown : names.size() - 1;
  const std::string last = names.size() > kShown ? fmt::format("{} more", names.size() - shown) : names.back();
  return fmt::format("{}: {} and {}", path.string(), fmt::join(std::span(names).first(shown), ", "), last);
}

}  // namespace

std::string described_files(const std::filesystem::path& path, const std::vector<SourceFile>& files,
                            SourceFile::Role role) {
  std::vector<const SourceFile*> found;
  for (const SourceFile& file : files)
    if (file.role == role) found.push_back(&file);
  return described(path, found);
}

std::string described_model(const std::filesystem::path& path, const std::vector<SourceFile>& files) {
  std::vector<const SourceFile*> found;
  for (const SourceFile::Role role : {SourceFile::Role::kConfig, SourceFile::Role::kWeights})
    for (const SourceFile& file : files)
      if (file.role == role && file.path.filename() != kOfGeneration) found.push_back(&file);
  return described(path, found);
}

}  // namespace quern
