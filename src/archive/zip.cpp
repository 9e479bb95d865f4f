// The directory of an archive, from its end:
//
//   [local header, name, extra, data, descriptor]...  [central header, name, extra, comment]...
//   [ZIP64 end record] [ZIP64 locator]  end record, comment
//
//   end record       0 signature, 4 disk, 6 disk of directory, 8 entries here, 10 entries, 12 bytes and 16 offset
//                    of the directory, 20 bytes of the comment                                      (22 bytes)
//   ZIP64 end record 0 signature, 16 disk, 20 disk of directory, 24 entries here, 32 entries, 40 bytes and 48 offset of
//                    the directory                                                                  (56 bytes)
//   ZIP64 locator    0 signature, 4 disk, 8 offset of the ZIP64 end record, 16 disks                 (20 bytes)
//   central header   0 signature, 8 flags, 10 method, 16 checksum, 20 stored bytes, 24 bytes, 28 bytes of the name,
//                    30 of the extra fields, 32 of the comment, 34 disk, 42 offset of the local header (46 bytes)
//   local header     0 signature, 8 method, 26 bytes of the name, 28 of the extra fields              (30 bytes)
//   extra field      0 id, 2 bytes, 4 data; id 1 (ZIP64): those of bytes, stored bytes, offset that are all ones above
#include "archive/zip.h"

#include <zlib.h>

#include <algorithm>

#include "archive/inflate.h"
#include "base/fail.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace quern {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{1} << 26;  // at most 1.4 million entries
constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint16_t kEncryptedFlag = 1;
constexpr std::uint16_t kZip64Field = 1;

// Where the directory lies.
struct Directory {
  std::uint64_t offset = 0, bytes = 0, entries = 0;
};

// An entry as the directory has it.
struct Listed {
  std::string name;
  std::uint16_t flags = 0, method = 0;
  std::uint32_t checksum = 0;
  std::uint64_t stored = 0, bytes = 0, header = 0;
};

std::vector<std::byte> read_bytes(const File& file, std::uint64_t offset, std::uint64_t size) {
  std::vector<std::byte> bytes(size);
  file.read(offset, bytes);
  return bytes;
}

template <typename T>
T field(ByteSpan bytes, std::size_t at) {
  return load<T>(bytes.data() + at);
}

// The end record: the last place that looks like one and whose comment ends the file.
std::uint64_t find_end(const File& file) {
  const std::uint64_t searched = std::min<std::uint64_t>(file.size(), kEndBytes + 0xffff);
  const std::vector<std::byte> tail = read_bytes(file, file.size() - searched, searched);
  for (std::size_t at = tail.size() < kEndBytes ? 0 : tail.size() - kEndBytes + 1; at-- > 0;)
    if (field<std::uint32_t>(tail, at) == kEnd && field<std::uint16_t>(tail, at + 20) == tail.size() - at - kEndBytes)
      return file.size() - searched + at;
  fail(ErrorCode::kInput,
       "there is no end record of a ZIP archive: the file is cut short (download it again), or is none");
}

Directory directory_of_zip64(const File& file, std::uint64_t end) {
  const std::vector<std::byte> locator = read_bytes(file, end - kLocatorBytes, kLocatorBytes);
  const auto at = field<std::uint64_t>(locator, 8);
  if (end - kLocatorBytes < kEnd64Bytes || at > end - kLocatorBytes - kEnd64Bytes)
    fail(ErrorCode::kInput, "the ZIP64 end record is said to be at byte {} of {}", at, file.size());
  const std::vector<std::byte> record = read_bytes(file, at, kEnd64Bytes);
  if (field<std::uint32_t>(record, 0) != kEnd64)
    fail(ErrorCode::kInput, "there is no ZIP64 end record at byte {}, where one is said to be", at);
  return {field<std::uint64_t>(record, 48), field<std::uint64_t>(record, 40), field<std::uint64_t>(record, 32)};
}

Directory find_directory(const File& file) {
  const std::uint64_t end = find_end(file);
  const std::vector<std::byte> record = read_bytes(file, end, kEndBytes);
  Directory found{field<std::uint32_t>(record, 16), field<std::uint32_t>(record, 12), field<std::uint16_t>(record, 10)};
  if (end >= kLocatorBytes) {
    const std::vector<std::byte> before = read_bytes(file, end - kLocatorBytes, kLocatorBytes);
    if (field<std::uint32_t>(before, 0) == kLocator64) found = directory_of_zip64(file, end);
  }
  if (found.offset > end || found.bytes > end - found.offset)
    fail(ErrorCode::kInput, "the directory is said to have {} bytes at {}, but the end record is at {}", found.bytes,
         found.offset, end);
  if (found.bytes > kMaxDirectoryBytes)
    fail(ErrorCode::kInput, "a directory of {} bytes is larger than the {} that are read", found.bytes,
         kMaxDirectoryBytes);
  if (found.entries > found.bytes / kCentralBytes)
    fail(ErrorCode::kInput, "{} entries do not fit a directory of {} bytes", found.entries, found.bytes);
  return found;
}

// Fields that are all ones stand in the ZIP64 extra field, in this order.
void read_zip64_field(ByteSpan extra, Listed& entry) {
  for (std::size_t at = 0; extra.size() - at >= 4;) {
    const auto id = field<std::uint16_t>(extra, at), size = field<std::uint16_t>(extra, at + 2);
    at += 4;
    if (size > extra.size() - at) return;  // no field: some writers pad with zeros
    ByteSpan data = extra.subspan(at, size);
    at += size;
    if (id != kZip64Field) continue;
    for (std::uint64_t* value : {&entry.bytes, &entry.stored, &entry.header}) {
      if (*value != UINT32_MAX) continue;
      if (data.size() < 8) fail(ErrorCode::kInput, "its ZIP64 field lacks a size");
      *value = field<std::uint64_t>(data, 0);
      data = data.subspan(8);
    }
    return;
  }
}

std::vector<Listed> read_listed(const File& file, const Directory& directory) {
  const std::vector<std::byte> bytes = read_bytes(file, directory.offset, directory.bytes);
  std::vector<Listed> listed;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (bytes.size() - at < kCentralBytes || field<std::uint32_t>(ByteSpan(bytes), at) != kCentral)
      fail(ErrorCode::kInput, "entry {} of {} is not in the directory", i, directory.entries);
    const ByteSpan header = ByteSpan(bytes).subspan(at, kCentralBytes);
    const std::size_t name = field<std::uint16_t>(header, 28), extra = field<std::uint16_t>(header, 30);
    const std::size_t all = kCentralBytes + name + extra + field<std::uint16_t>(header, 32);
    if (all > bytes.size() - at) fail(ErrorCode::kInput, "entry {} reaches beyond the directory", i);
    Listed& entry = listed.emplace_back(Listed{{reinterpret_cast<const char*>(&bytes[at]) + kCentralBytes, name},
                                               field<std::uint16_t>(header, 8),
                                               field<std::uint16_t>(header, 10),
                                               field<std::uint32_t>(header, 16),
                                               field<std::uint32_t>(header, 20),
                                               field<std::uint32_t>(header, 24),
                                               field<std::uint32_t>(header, 42)});
    with_context(fmt::format("entry \"{}\"", printable_line(entry.name)),
                 [&] { read_zip64_field(ByteSpan(bytes).subspan(at + kCentralBytes + name, extra), entry); });
    at += all;
  }
  return listed;
}

// A name is a path below a folder that nobody makes; one that leads out of it is an attack or a mistake.
void check_name(std::string_view name) {
  if (name.empty() || first_invalid_utf8(name) || name.find('\0') != std::string_view::npos)
    fail(ErrorCode::kInput, "its name is not UTF-8 text");
  const bool is_drive = name.size() > 1 && name[1] == ':';
  if (name.front() == '/' || is_drive || name.find('\\') != std::string_view::npos)
    fail(ErrorCode::kInput, "its name is not a path within the archive");
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    if (rest.substr(0, slash) == "..") fail(ErrorCode::kInput, "its name leads out of the archive");
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
}

// Where the data begins: behind the local header, whose extra fields are not those of the directory.
ZipEntry locate(const File& file, const Listed& listed, std::uint64_t data_end,
                const std::shared_ptr<InflateStates>& states) {
  check_name(listed.name);
  if (listed.flags & kEncryptedFlag) fail(ErrorCode::kInput, "it is encrypted");
  if (listed.method != kStored && listed.method != kDeflated)
    fail(ErrorCode::kInput, "it is compressed by method {}; stored (0) and deflated (8) are read", listed.method);
  if (listed.header > data_end || data_end - listed.header < kLocalBytes + listed.name.size())
    fail(ErrorCode::kInput, "its header is said to be at byte {} of {}", listed.header, data_end);
  const std::vector<std::byte> header = read_bytes(file, listed.header, kLocalBytes + listed.name.size());
  const std::string_view name(reinterpret_cast<const char*>(header.data()) + kLocalBytes, listed.name.size());
  if (field<std::uint32_t>(header, 0) != kLocal || field<std::uint16_t>(header, 8) != listed.method ||
      field<std::uint16_t>(header, 26) != name.size() || name != listed.name)
    fail(ErrorCode::kInput, "what lies at byte {} is not its header", listed.header);
  const std::uint64_t offset = listed.header + header.size() + field<std::uint16_t>(header, 28);
  if (offset > data_end || listed.stored > data_end - offset)
    fail(ErrorCode::kInput,
         "its {} bytes at {} reach into the directory at {}, or beyond; the file is cut short: download it again",
         listed.stored, offset, data_end);
  if (listed.method == kStored) {
    if (listed.stored != listed.bytes)
      fail(ErrorCode::kInput, "it is stored in {} bytes and said to have {}", listed.stored, listed.bytes);
    return {listed.name, {offset, listed.bytes}, listed.checksum};
  }
  if (listed.bytes / kMostInflation > listed.stored)
    fail(ErrorCode::kInput, "{} deflated bytes cannot give {}", listed.stored, listed.bytes);
  const Deflated run = {offset, listed.stored, listed.bytes, listed.checksum};
  return {listed.name, {offset, listed.bytes, make_inflater(run, states), ByteRun::Access::kForward}, listed.checksum};
}

struct Extent {
  std::uint64_t begin, end;
  const std::string* name;
};

// Overlapping entries give more bytes than the file has, which is how bombs are made.
void check_apart(std::vector<Extent> extents) {
  std::ranges::sort(extents, {}, &Extent::begin);
  for (std::size_t i = 1; i < extents.size(); ++i)
    if (extents[i].begin < extents[i - 1].end)
      fail(ErrorCode::kInput, "entries \"{}\" and \"{}\" overlap at byte {}", printable_line(*extents[i - 1].name),
           printable_line(*extents[i].name), extents[i].begin);
}

void check_different(const std::vector<ZipEntry>& entries) {
  const auto same = std::ranges::adjacent_find(entries, {}, &ZipEntry::name);
  if (same != entries.end()) fail(ErrorCode::kInput, "two entries are named \"{}\"", printable_line(same->name));
}

}  // namespace

bool begins_like_zip(const std::filesystem::path& path) {
  std::byte head[4];
  const File file(path);
  if (file.size() < kEndBytes) return false;
  file.read(0, head);
  return load<std::uint32_t>(head) == kLocal;
}

std::vector<ZipEntry> read_zip_directory(const File& file) {
  return with_context(fmt::format("while reading {}", file.path().string()), [&] {
    const Directory directory = find_directory(file);
    const std::vector<Listed> listed = read_listed(file, directory);
    const auto states = make_inflate_states();
    std::vector<ZipEntry> entries;
    std::vector<Extent> extents;
    for (const Listed& one : listed)
      with_context(fmt::format("entry \"{}\"", printable_line(one.name)), [&] {
        const ZipEntry& entry = entries.emplace_back(locate(file, one, directory.offset, states));
        extents.push_back({one.header, entry.run.offset + one.stored, &one.name});
      });
    check_apart(std::move(extents));
    std::ranges::sort(entries, {}, &ZipEntry::name);
    check_different(entries);
    return entries;
  });
}

const ZipEntry* find_entry(const std::vector<ZipEntry>& entries, std::string_view name) {
  const auto at =
      std::ranges::lower_bound(entries, name, {}, [](const ZipEntry& e) { return std::string_view(e.name); });
  return at != entries.end() && at->name == name ? &*at : nullptr;
}

std::vector<std::byte> read_entry(const File& file, const ZipEntry& entry, std::uint64_t max_bytes) {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  return with_context(fmt::format("while reading {}, entry {}", file.path().string(), printable_line(entry.name)), [&] {
    if (entry.run.bytes > max_bytes)
      fail(ErrorCode::kInput, "its {} bytes are more than the {} that are read", entry.run.bytes, max_bytes);
    std::vector<std::byte> bytes;  // grows with what is there, not with what is announced
    while (bytes.size() < entry.run.bytes) {
      const std::size_t done = bytes.size();
      bytes.resize(done + std::min<std::uint64_t>(kPiece, entry.run.bytes - done));
      entry.run.read(file, done, std::span(bytes).subspan(done));
    }
    const auto found =
        static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
    if (entry.checksum != 0 && found != entry.checksum)
      fail(ErrorCode::kInput, "its bytes have the checksum {:08x}, but {:08x} is announced: the file is damaged", found,
           entry.checksum);
    return bytes;
  });
}

}  // namespace quern
