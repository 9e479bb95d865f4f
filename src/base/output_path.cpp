// Names are made plain as text; only a link at the end is asked of the system.
#include "base/output_path.h"

#include <fcntl.h>

#include <cstdio>

#include "base/descriptor.h"
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

void replace_path(const fs::path& from, const fs::path& to) {
  std::error_code ec;
  const bool had_old = is_there(to);
  if (had_old && ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  fs::path old = to;
  old += ".old";
  while (is_there(old)) old += "~";  // what is there is somebody's
  if (had_old) fs::rename(to, old, ec);
  if (!ec) fs::rename(from, to, ec);
  if (ec) {
    std::error_code undo;
    if (had_old && !is_there(to)) fs::rename(old, to, undo);
    fail(ErrorCode::kResource, "cannot rename {} to {}: {}", from.string(), to.string(), ec.message());
  }
  if (had_old) fs::remove_all(old, ec);
}

}  // namespace quern
