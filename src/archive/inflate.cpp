// zlib streams that stand at positions of the inflated bytes, and are copied to go on from there.
#include "archive/inflate.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace {

constexpr std::uint64_t kLeastSpacing = std::uint64_t{1} << 20;
constexpr std::size_t kMostStates = 256;
constexpr std::size_t kPieceBytes = std::size_t{1} << 16;  // read at once

class Stream {
 public:
  Stream() {
    if (inflateInit2(&z_, -MAX_WBITS) != Z_OK) fail(ErrorCode::kResource, "no memory to inflate with");
  }
  Stream(const Stream& other)
      : ended_(other.ended_), read_(other.read_), position_(other.position_), checksum_(other.checksum_) {
    if (inflateCopy(&z_, const_cast<z_stream*>(&other.z_)) != Z_OK)
      fail(ErrorCode::kResource, "no memory to inflate with");
    z_.avail_in = 0;
  }
  Stream& operator=(const Stream&) = delete;
  ~Stream() { inflateEnd(&z_); }

  std::uint64_t position() const noexcept { return position_; }
  // CRC-32 of all up to here.
  std::uint32_t checksum() const noexcept { return static_cast<std::uint32_t>(checksum_); }

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
    checksum_ = ::crc32_z(checksum_, reinterpret_cast<const Bytef*>(out.data()), done);
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
  uLong checksum_ = 0;
  std::vector<std::byte> input_;
};

}  // namespace

class InflateStates {
 public:
  // The furthest state of the run at `begin` that is not behind `position`.
  Stream nearest(std::uint64_t begin, std::uint64_t position) const {
    const std::lock_guard lock(mutex_);
    const auto after = states_.upper_bound({begin, position});
    const bool there = after != states_.begin() && std::prev(after)->first.first == begin;
    return there ? Stream(std::prev(after)->second) : Stream();
  }

  void keep(std::uint64_t begin, const Stream& stream) {
    const std::lock_guard lock(mutex_);
    if (!states_.try_emplace({begin, stream.position()}, stream).second) return;
    order_.push_back({begin, stream.position()});
    if (order_.size() <= kMostStates) return;
    states_.erase(order_.front());
    order_.pop_front();
  }

 private:
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // of the run, and in what it gives
  mutable std::mutex mutex_;
  std::map<Place, Stream> states_;
  std::deque<Place> order_;
};

namespace {

class Inflater final : public PartDecoder {
 public:
  Inflater(const Deflated& run, std::shared_ptr<InflateStates> states)
      : run_(run), states_(std::move(states)), spacing_(std::max(kLeastSpacing, run.bytes / kMostStates + 1)) {}

  std::uint64_t stored_bytes() const override { return run_.stored; }

  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    Stream stream = states_->nearest(run_.offset, offset);
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
    if (stream.position() == run_.bytes) check_end(stream, file);
  }

 private:
  void advance(Stream& stream, const File& file, std::span<std::byte> out) const {
    if (stream.inflate(file, run_.offset, run_.stored, out) < out.size())
      fail(ErrorCode::kInput, "the deflated bytes give {}, but {} are announced", stream.position(), run_.bytes);
    if (stream.position() % spacing_ == 0 && stream.position() != run_.bytes) states_->keep(run_.offset, stream);
  }

  void check_end(Stream& stream, const File& file) const {
    if (run_.checksum != 0 && stream.checksum() != run_.checksum)
      fail(ErrorCode::kInput, "its bytes have the checksum {:08x}, but {:08x} is announced: the file is damaged",
           stream.checksum(), run_.checksum);
    std::byte beyond[1];
    if (stream.inflate(file, run_.offset, run_.stored, beyond) > 0)
      fail(ErrorCode::kInput, "the deflated bytes give more than the {} that are announced", run_.bytes);
  }

  Deflated run_;
  std::shared_ptr<InflateStates> states_;
  std::uint64_t spacing_;
};

}  // namespace

std::shared_ptr<InflateStates> make_inflate_states() { return std::make_shared<InflateStates>(); }

std::shared_ptr<const PartDecoder> make_inflater(const Deflated& run, std::shared_ptr<InflateStates> states) {
  return std::make_shared<Inflater>(run, std::move(states));
}

}  // namespace quern
