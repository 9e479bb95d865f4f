// By name alone: what is called so is read by some program that opens the folder.
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/counted.h"
#include "package/read_names.h"
#include "package/verify_files.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr int kDepth = 16;  // of folders within the package

class Walk {
 public:
  explicit Walk(Verification& v) : v_(v) {
    for (const HashedFile& file : v.manifest.output_files) listed_.insert(file.name);
    listed_.insert(kManifestName);
    visit(v.package, "", 0);
  }

  const std::vector<std::string>& harmless() const { return harmless_; }

 private:
  void visit(const fs::path& folder, const std::string& prefix, int depth) {
    std::vector<fs::directory_entry> entries;
    std::error_code ec;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) entries.push_back(entry);
    std::ranges::sort(entries);
    for (const fs::directory_entry& entry : entries) {
      const std::string file = entry.path().filename().string(), name = prefix + file;
      if (listed_.contains(name) || file.starts_with(".")) continue;
      const fs::file_status status = entry.symlink_status(ec);
      if (fs::is_directory(status)) {
        if (depth < kDepth && file != "__pycache__") visit(entry.path(), name + "/", depth + 1);
      } else if (fs::is_symlink(status) && entry.is_directory(ec)) {
        v_.problem("{} is a link to a folder, which the manifest does not list; remove it", name);
      } else if (is_read_by_programs(entry.path())) {
        v_.problem("{} is not listed by the manifest, and programs that open the folder may read it; remove it", name);
      } else {
        harmless_.push_back(name);
      }
    }
  }

  Verification& v_;
  std::set<std::string> listed_;
  std::vector<std::string> harmless_;
};

}  // namespace

void check_unlisted_files(Verification& v) {
  constexpr std::size_t kShown = 8;
  const std::vector<std::string> names = Walk(v).harmless();
  if (names.empty()) return;
  const std::size_t shown = std::min(kShown, names.size());
  v.observer.note(fmt::format("{} beside the package {} not listed by the manifest, and nothing reads {}: {}{}",
                              counted(names.size(), "file"), names.size() == 1 ? "is" : "are",
                              names.size() == 1 ? "it" : "them", fmt::join(std::span(names).first(shown), ", "),
                              shown < names.size() ? ", ..." : ""));
}

}  // namespace quern
