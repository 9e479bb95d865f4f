// Names are made plain as text; only a link at the end is asked of the system.
#include "base/output_path.h"

#include "base/fail.h"

namespace quern {

namespace fs = std::filesystem;

fs::path output_folder_path(const fs::path& given) {
  fs::path path = given.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename().empty() || path.filename() == "." || path.filename() == "..") {
    fail(ErrorCode::kUsage, "the output \"{}\" does not name a new folder; give it a name of its own", path.string());
  }
  std::error_code ec;
  if (!fs::is_symlink(path, ec)) return path;
  const fs::path target = fs::canonical(path, ec);
  if (ec)
    fail(ErrorCode::kUsage,
         "the output \"{}\" is a symbolic link to {}, which is not there; make that folder, or choose "
         "another name",
         path.string(), fs::read_symlink(path).string());
  return target;
}

}  // namespace quern
