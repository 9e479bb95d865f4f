// One Hessian in a file. Little-endian:
//
//   0   8 bytes  "QUERNHES"
//   8   u32      version, 1
//   12  u32      expert; 0 where there are none, 2^32 - 1 for all experts of a mixture together
//   16  u64      columns
//   24  u64      tokens
//   32  u64      bytes of what follows the head
//   40  u32      bytes of the group's name
//   44  u32      0
//   48           the group's name, zeros up to a multiple of 64
//   then         f64 [columns]                    E[x^2] of the inputs as they are
//                f32 [columns (columns + 1) / 2]  E[x x^T], row after row, row i from column i on
//
// Floats are enough: rounding moves an element by 2^-24 of itself and so an eigenvalue by less than 2^-24 of the trace,
// while a factorisation is damped by about 2^-7 of the mean of the diagonal, and the sums of a slice are rounded to
// floats anyway. The moments are kept in double beside them, so that they are those of collect_statistics to the bit.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "calib/hessian.h"

namespace quern {

inline constexpr std::uint32_t kAllExperts = 0xffffffffu;

struct ShardHead {
  std::string group;
  std::uint32_t expert = 0;
  std::uint64_t columns = 0, tokens = 0;
  bool operator==(const ShardHead&) const = default;
};

inline constexpr std::size_t kMostHeadBytes = 4096;

// Bytes of the whole file. REQUIRES: columns <= kMostColumns.
std::uint64_t shard_bytes(const ShardHead& head);

// `bytes`: the beginning of a file of `file_bytes`, kMostHeadBytes of it or all. Error(kInput) when it is another kind
// of file, of another version, or says sizes that are not its own.
ShardHead parse_shard_head(ByteSpan bytes, std::uint64_t file_bytes);
// REQUIRES: a head that parse_shard_head takes.
std::vector<std::byte> dump_shard_head(const ShardHead& head);

struct ShardHashes {
  std::string all, moments;  // SHA-256 of the file, and of it up to the end of the moments
};

// Gives H[i][i .. columns - 1].
using RowSource = std::function<void(std::size_t i, std::span<float> out)>;

// Writes the file and waits until it is on the disk. Error(kInput) that names the group when a value is not finite,
// Error(kResource) when the disk refuses.
ShardHashes write_shard(const std::filesystem::path& path, const ShardHead& head, std::span<const double> mean_square,
                        const RowSource& rows);

class ShardFile {
 public:
  // Error(kInput) when its head is not `expected`.
  ShardFile(const std::filesystem::path& path, ShardHead expected);

  // Each Error(kInput) when the bytes it reads have another hash.
  std::vector<double> moments(const std::string& sha256) const;
  Hessian hessian(const std::string& sha256) const;
  // Reads all once and keeps nothing.
  void check(const std::string& sha256) const;
  // H[i][i .. columns - 1], unchecked.
  void read_row(std::size_t i, std::span<float> out) const;

 private:
  std::uint64_t moments_at() const;
  std::uint64_t triangle_at() const;
  // Hands all bytes of the file to `take`, a piece at a time, and compares their hash.
  void read_through(const std::string& sha256, const std::function<void(std::uint64_t at, ByteSpan)>& take) const;

  File file_;
  ShardHead head_;
};

}  // namespace quern
