// A file is read once; its parts are hashed only where the whole is not what it was.
#include "package/verify_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/counted.h"
#include "base/file.h"
#include "base/interruption.h"
#include "base/parted_sha256.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const HashedParts* parts_of(const Manifest& manifest, const std::string& file) {
  const auto found = std::ranges::find(manifest.parts, file, &HashedParts::file);
  return found == manifest.parts.end() ? nullptr : &*found;
}

bool are_zeros(const File& file, std::uint64_t begin, std::uint64_t end) {
  std::vector<std::byte> bytes(std::uint64_t{1} << 16);
  for (; begin < end; begin += bytes.size()) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), end - begin));
    file.read(begin, part);
    if (std::ranges::any_of(part, [](std::byte byte) { return byte != std::byte{0}; })) return false;
  }
  return true;
}

// Bytes between tensors that are no zeros.
std::vector<std::string> changed_gaps(const fs::path& path, const HashedParts& parts) {
  std::vector<std::string> gaps;
  const File file(path);
  std::uint64_t end = parts.header_bytes;
  std::string before = "the header";
  for (const HashedTensor& tensor : parts.tensors) {
    const std::uint64_t begin = std::min(tensor.offset, file.size());
    if (end < begin && !are_zeros(file, end, begin))
      gaps.push_back(fmt::format("the bytes between {} and tensor {}", before, tensor.name));
    end = tensor.offset + tensor.bytes;
    before = "tensor " + tensor.name;
  }
  if (end < file.size() && !are_zeros(file, end, file.size()))
    gaps.push_back(fmt::format("the bytes behind {}", before));
  return gaps;
}

// What of a file is not as it was, and where nothing can be told of it nothing.
std::vector<std::string> changed_parts(Verification& v, const fs::path& path, const HashedParts& parts) {
  std::vector<ByteRange> ranges = {{0, parts.header_bytes}};
  for (const HashedTensor& tensor : parts.tensors) ranges.push_back({tensor.offset, tensor.offset + tensor.bytes});
  const std::vector<std::string> now = parted_sha256_of_file(path, std::move(ranges)).parts;
  std::vector<std::string> changed;
  if (now[0] != parts.header_sha256) changed.push_back("the header");
  for (std::size_t i = 0; i < parts.tensors.size(); ++i) {
    if (now[i + 1] == parts.tensors[i].sha256) continue;
    changed.push_back("tensor " + parts.tensors[i].name);
    v.changed_tensors.emplace(fs::path(parts.file).filename().string(), parts.tensors[i].offset);
  }
  std::ranges::copy(changed_gaps(path, parts), std::back_inserter(changed));
  return changed;
}

// "tensor a, tensor b and 7 more"
std::string listed(const std::vector<std::string>& changed) {
  constexpr std::size_t kShown = 20;
  if (changed.empty()) return {};
  const std::size_t shown = std::min(kShown, changed.size());
  return fmt::format("{}{}", fmt::join(std::span(changed).first(shown), ", "),
                     shown < changed.size() ? fmt::format(" and {} more", changed.size() - shown) : "");
}

void check_file(Verification& v, const HashedFile& file, const std::string& sha256) {
  const fs::path path = v.place_of(file);
  const HashedParts* parts = parts_of(v.manifest, file.name);
  const std::uint64_t bytes = size_of_file(path);
  if (bytes == file.bytes && sha256 == file.sha256) {
    // Bytes that no tensor holds are zeros whatever the manifest says.
    if (!parts) return;
    for (const std::string& gap : changed_gaps(path, *parts))
      v.problem("{} has other bytes than zeros where it holds nothing: {}", file.name, gap);
    return;
  }
  v.changed_files.insert(file.name);
  const std::string changed = parts ? listed(changed_parts(v, path, *parts)) : "";
  if (bytes != file.bytes)
    return v.problem("{} has {} bytes, the manifest says {}{}{}", file.name, bytes, file.bytes,
                     changed.empty() ? "" : "; not as it was: ", changed);
  v.problem("{} has changed: {}{}sha256 {}, the manifest says {}", file.name, changed, changed.empty() ? "" : ": ",
            sha256, file.sha256);
}

}  // namespace

void check_files(Verification& v) {
  const std::vector<HashedFile>& files = v.manifest.output_files;
  v.observer.stage("hash files", files.size());
  struct Found {
    std::string sha256, problem;
  };
  std::vector<Found> found(files.size());
  v.pool.run(files.size(), [&](std::size_t i) {
    check_interrupted(v.observer);
    std::error_code ec;
    const fs::path path = v.place_of(files[i]);
    if (!fs::is_regular_file(path, ec)) {
      found[i].problem = files[i].name + (is_there(path) ? " is no file, or leads to none" : " is missing");
      return;
    }
    try {
      found[i].sha256 = sha256_of_file(path);
    } catch (const Error& error) {
      found[i].problem = fmt::format("{} cannot be read: {}", files[i].name, error.what());
    }
  });
  for (std::size_t i = 0; i < files.size(); ++i) {
    ++v.result.files;
    if (found[i].problem.empty()) {
      check_file(v, files[i], found[i].sha256);
    } else {
      v.changed_files.insert(files[i].name);
      v.result.problems.push_back(std::move(found[i].problem));
    }
    v.observer.advance(files[i].name);
  }
}

}  // namespace quern
