// Written front to back and hashed on the way; read by position.
#include "calib/hessian_shard.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/fail.h"
#include "base/sha256.h"
#include "kernel/elementwise.h"

namespace quern {
namespace {

constexpr std::string_view kMagic = "QUERNHES";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kNameAt = 48, kHeadUnit = 64, kPiece = std::size_t{1} << 20;

std::uint64_t head_bytes(std::uint64_t name_bytes) { return round_up(kNameAt + name_bytes, kHeadUnit); }
std::uint64_t payload_bytes(std::uint64_t columns) {
  return columns * sizeof(double) + Hessian::elements(columns) * sizeof(float);
}

template <typename T>
ByteSpan bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

std::vector<std::byte> head_of(const File& file) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(kMostHeadBytes, file.size()));
  file.read(0, bytes);
  return bytes;
}

void expect_hash(Sha256& hash, const std::string& expected, const File& file) {
  if (const std::string now = hash.hex(); now != expected)
    fail(ErrorCode::kInput, "{} was changed since it was written: its SHA-256 is {} and not {}", file.path().string(),
         now, expected);
}

// Bytes on their way to a file, hashed, a piece at a time.
class HashedOutput {
 public:
  explicit HashedOutput(const std::filesystem::path& path) : file_(path) {}
  void write(ByteSpan bytes) {
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    if (waiting_.size() >= kPiece) flush();
  }
  std::string finish() {
    flush();
    file_.finish();
    return hash_.hex();
  }

 private:
  void flush() {
    hash_.update(waiting_);
    file_.write(waiting_);
    waiting_.clear();
  }
  OutputFile file_;
  Sha256 hash_;
  std::vector<std::byte> waiting_;
};

}  // namespace

std::uint64_t shard_bytes(const ShardHead& head) { return head_bytes(head.group.size()) + payload_bytes(head.columns); }

std::vector<std::byte> dump_shard_head(const ShardHead& head) {
  std::vector<std::byte> bytes(head_bytes(head.group.size()));
  std::ranges::copy(bytes_of(kMagic), bytes.begin());
  store(&bytes[8], kVersion);
  store(&bytes[12], head.expert);
  store(&bytes[16], head.columns);
  store(&bytes[24], head.tokens);
  store(&bytes[32], payload_bytes(head.columns));
  store(&bytes[40], static_cast<std::uint32_t>(head.group.size()));
  std::ranges::copy(bytes_of(head.group), bytes.begin() + kNameAt);
  return bytes;
}

ShardHead parse_shard_head(ByteSpan bytes, std::uint64_t file_bytes) {
  if (bytes.size() < kHeadUnit || !std::ranges::equal(bytes.first(kMagic.size()), bytes_of(kMagic)))
    fail(ErrorCode::kInput, "this is no Hessian of a statistics store: it does not begin with {}", kMagic);
  if (const auto version = load<std::uint32_t>(&bytes[8]); version != kVersion)
    fail(ErrorCode::kInput, "a Hessian in version {} of its format; this program reads version {}", version, kVersion);
  ShardHead head{.expert = load<std::uint32_t>(&bytes[12]),
                 .columns = load<std::uint64_t>(&bytes[16]),
                 .tokens = load<std::uint64_t>(&bytes[24])};
  const auto name_bytes = load<std::uint32_t>(&bytes[40]);
  if (head.columns == 0 || head.columns > kMostColumns || load<std::uint32_t>(&bytes[44]) != 0 ||
      load<std::uint64_t>(&bytes[32]) != payload_bytes(head.columns))
    fail(ErrorCode::kInput, "the head of a Hessian says {} columns in {} bytes", head.columns,
         load<std::uint64_t>(&bytes[32]));
  if (name_bytes == 0 || head_bytes(name_bytes) > std::min<std::uint64_t>(kMostHeadBytes, bytes.size()))
    fail(ErrorCode::kInput, "the head of a Hessian says a name of {} bytes", name_bytes);
  head.group.assign(reinterpret_cast<const char*>(bytes.data()) + kNameAt, name_bytes);
  if (const std::uint64_t expected = shard_bytes(head); file_bytes != expected)
    fail(ErrorCode::kInput, "the Hessian of {} has {} bytes in place of {}: it was cut short, or added to", head.group,
         file_bytes, expected);
  return head;
}

ShardHashes write_shard(const std::filesystem::path& path, const ShardHead& head, std::span<const double> mean_square,
                        const RowSource& rows) {
  ensure(mean_square.size() == head.columns && head.columns > 0 && head.columns <= kMostColumns &&
             !head.group.empty() && head_bytes(head.group.size()) <= kMostHeadBytes,
         "a shard of {} columns with {} moments for \"{}\"", head.columns, mean_square.size(), head.group);
  const auto refuse = [&] {
    fail(ErrorCode::kInput, "the Hessian of {} is not finite: inputs are too large to be multiplied in float",
         head.group);
  };
  if (!std::ranges::all_of(mean_square, [](double m) { return std::isfinite(m); })) refuse();
  HashedOutput file(path);
  Sha256 moments;
  const std::vector<std::byte> front = dump_shard_head(head);
  for (const ByteSpan bytes : {ByteSpan(front), std::as_bytes(mean_square)}) {
    moments.update(bytes);
    file.write(bytes);
  }
  std::vector<float> values(head.columns);
  for (std::size_t i = 0; i < head.columns; ++i) {
    const std::span<float> row = std::span(values).first(head.columns - i);
    rows(i, row);
    if (!all_finite(row)) refuse();
    file.write(std::as_bytes(row));
  }
  return {file.finish(), moments.hex()};
}

ShardFile::ShardFile(const std::filesystem::path& path, ShardHead expected) : file_(path), head_(std::move(expected)) {
  with_context("while reading " + path.string(), [&] {
    const ShardHead found = parse_shard_head(head_of(file_), file_.size());
    if (found != head_)
      fail(ErrorCode::kInput,
           "this is the Hessian of {}, expert {}, of {} columns and {} tokens; expected {}, {}, {}, {}", found.group,
           found.expert, found.columns, found.tokens, head_.group, head_.expert, head_.columns, head_.tokens);
  });
}

std::uint64_t ShardFile::moments_at() const { return head_bytes(head_.group.size()); }
std::uint64_t ShardFile::triangle_at() const { return moments_at() + head_.columns * sizeof(double); }

std::vector<double> ShardFile::moments(const std::string& sha256) const {
  std::vector<std::byte> head(moments_at());
  std::vector<double> moments(head_.columns);
  file_.read(0, head);
  file_.read(moments_at(), std::as_writable_bytes(std::span(moments)));
  Sha256 hash;
  hash.update(head);
  hash.update(bytes_of(moments));
  expect_hash(hash, sha256, file_);
  return moments;
}

void ShardFile::read_through(const std::string& sha256,
                             const std::function<void(std::uint64_t at, ByteSpan)>& take) const {
  Sha256 hash;
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < file_.size(); at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPiece, file_.size() - at));
    file_.read(at, piece);
    hash.update(piece);
    take(at, piece);
  }
  expect_hash(hash, sha256, file_);
}

Hessian ShardFile::hessian(const std::string& sha256) const {
  Hessian hessian{head_.columns, head_.tokens, std::vector<float>(Hessian::elements(head_.columns))};
  const std::span<std::byte> out = std::as_writable_bytes(std::span(hessian.upper));
  read_through(sha256, [&](std::uint64_t at, ByteSpan piece) {
    const std::uint64_t skip = at < triangle_at() ? std::min<std::uint64_t>(triangle_at() - at, piece.size()) : 0;
    if (skip == piece.size()) return;
    std::ranges::copy(piece.subspan(skip), out.begin() + static_cast<std::ptrdiff_t>(at + skip - triangle_at()));
  });
  return hessian;
}

void ShardFile::check(const std::string& sha256) const {
  read_through(sha256, [](std::uint64_t, ByteSpan) {});
}

void ShardFile::read_row(std::size_t i, std::span<float> out) const {
  ensure(i < head_.columns && out.size() == head_.columns - i, "row {} of {} as {} values", i, head_.columns,
         out.size());
  file_.read(triangle_at() + Hessian::row_begin(i, head_.columns) * sizeof(float), std::as_writable_bytes(out));
}

}  // namespace quern
