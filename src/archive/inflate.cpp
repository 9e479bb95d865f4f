// zlib streams that stand at positions of the inflated bytes, and are copied to go on from there.
#include "archive/inflate.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace {

constexpr std::uint64_t kLeastSpacing = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostStates = 256;
constexpr std::size_t kPieceBytes = std::size_t{1} << 16;  // read at once

class Stream {
 public:
  Stream() {
    if (inflateInit2(&z_, -MAX_WBITS) != Z_OK) fail(ErrorCode::kResource, "no memory to inflate with");
  }
  Stream(const Stream& other) : ended_(other.ended_), read_(other.read_), position_(other.position_) {
    if (inflateCopy(&z_, const_cast<z_stream*>(&other.z_)) != Z_OK)
      fail(ErrorCode::kResource, "no memory to inflate with");
    z_.avail_in = 0;
  }
  Stream& operator=(const Stream&) = delete;
  ~Stream() { inflateEnd(&z_); }

  std::uint64_t position() const noexcept { return position_; }

  // Fills as much of `out` as there is from here, and returns how much that was. `stored` bytes lie at `offset`.
  std::size_t inflate(const File& file, std::uint64_t offset, std::uint64_t stored, std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size() && !ended_) {
      const std::size_t piece = std::min<std::uint64_t>(kPieceBytes, stored - read_);
      input_.resize(piece);
      file.read(offset + read_, input_);
      done += step(out.subspan(done));
    }
    position_ += done;
    return done;
  }

 private:
  // One call of zlib; input that it leaves is read again.
  std::size_t step(std::span<std::byte> out) {
    const auto room = static_cast<uInt>(std::min<std::size_t>(out.size(), 1u << 30));
    z_.next_in = reinterpret_cast<const Bytef*>(input_.data());
    z_.avail_in = static_cast<uInt>(input_.size());
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = room;
    const int code = ::inflate(&z_, Z_NO_FLUSH);
    const std::size_t taken = input_.size() - z_.avail_in, given = room - z_.avail_out;
    read_ += taken;
    if (code == Z_STREAM_END) {
      ended_ = true;
    } else if (code != Z_OK || (taken == 0 && given == 0)) {
      fail(ErrorCode::kInput, "the deflated bytes are damaged: {}", z_.msg ? z_.msg : "they end too early");
    }
    return given;
  }

  z_stream z_ = {};
  bool ended_ = false;
  std::uint64_t read_ = 0, position_ = 0;  // of the stored and of the inflated bytes
  std::vector<std::byte> input_;
};

class Inflater final : public PartDecoder {
 public:
  Inflater(std::uint64_t offset, std::uint64_t stored, std::uint64_t bytes)
      : offset_(offset), stored_(stored), bytes_(bytes), spacing_(std::max(kLeastSpacing, bytes / kMostStates + 1)) {}

  std::uint64_t stored_bytes() const override { return stored_; }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    Stream stream = nearest(offset);
    std::vector<std::byte> skipped;
    while (stream.position() < offset) {
      skipped.resize(std::min(offset - stream.position(), spacing_ - stream.position() % spacing_));
      advance(stream, file, skipped);
    }
    for (std::size_t done = 0; done < out.size();) {
      const std::uint64_t take = std::min(out.size() - done, spacing_ - stream.position() % spacing_);
      advance(stream, file, out.subspan(done, take));
      done += take;
    }
    std::byte beyond[1];
    if (stream.position() == bytes_ && stream.inflate(file, offset_, stored_, beyond) > 0)
      fail(ErrorCode::kInput, "the deflated bytes give more than the {} that are announced", bytes_);
  }

 private:
  // The furthest kept state that is not behind `offset`.
  Stream nearest(std::uint64_t offset) const {
    const std::lock_guard lock(mutex_);
    const auto after = states_.upper_bound(offset);
    return after == states_.begin() ? Stream() : Stream(std::prev(after)->second);
  }

  void advance(Stream& stream, const File& file, std::span<std::byte> out) const {
    if (stream.inflate(file, offset_, stored_, out) < out.size())
      fail(ErrorCode::kInput, "the deflated bytes give {}, but {} are announced", stream.position(), bytes_);
    if (stream.position() % spacing_ != 0 || stream.position() == bytes_) return;
    const std::lock_guard lock(mutex_);
    states_.try_emplace(stream.position(), stream);
  }

  std::uint64_t offset_, stored_, bytes_, spacing_;
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, Stream> states_;
};

}  // namespace

std::shared_ptr<const PartDecoder> make_inflater(std::uint64_t offset, std::uint64_t stored, std::uint64_t bytes) {
  return std::make_shared<Inflater>(offset, stored, bytes);
}

}  // namespace quern
