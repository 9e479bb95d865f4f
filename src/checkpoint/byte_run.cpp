// Runs of bytes, and tensors that lie in them in any order.
#include "checkpoint/byte_run.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/fail.h"
#include "base/file.h"

namespace quern {
namespace {

// Part of a compressed run.
class CutDecoder final : public PartDecoder {
 public:
  CutDecoder(ByteRun run, std::uint64_t at, std::uint64_t size) : run_(std::move(run)), at_(at), size_(size) {}

  // A share of what the whole run takes.
  std::uint64_t stored_bytes() const override {
    if (run_.bytes == 0) return 0;
    const double share = static_cast<double>(size_) / static_cast<double>(run_.bytes);
    return static_cast<std::uint64_t>(share * static_cast<double>(run_.stored()));
  }
  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override {
    run_.read(file, at_ + offset, out);
  }

 private:
  ByteRun run_;
  std::uint64_t at_, size_;
};

// What a compressed run gives, in a file without a name that ends with the object: to be read in any order.
class UnpackedRun {
 public:
  UnpackedRun(const ByteRun& run, const File& from) : file_(unpack(run, from)) {}
  const File& file() const noexcept { return file_; }

 private:
  static File unpack(const ByteRun& run, const File& from) {
    constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
    const TemporaryFolder folder("quern-unpacked");
    OutputFile out(folder.path() / "run");
    std::vector<std::byte> piece;
    for (std::uint64_t done = 0; done < run.bytes; done += piece.size()) {
      piece.resize(std::min(kPiece, run.bytes - done));
      run.read(from, done, piece);
      out.write(piece);
    }
    return File(out.path());
  }

  File file_;
};

// Elements that are not one behind the other, or whose bytes are the wrong way round. Those of a compressed run larger
// than what is read at once are taken from a copy of what it gives, made when the first is read.
class StridedDecoder final : public PartDecoder {
 public:
  StridedDecoder(ByteRun run, StridedLayout layout, std::uint64_t bytes)
      : run_(std::move(run)), layout_(std::move(layout)), bytes_(bytes) {
    for (std::uint64_t& stride : layout_.strides) stride *= layout_.element_bytes;
    join_neighbours();
  }

  std::uint64_t stored_bytes() const override { return std::min(run_.stored(), bytes_); }
  void read(const File& file, std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  void join_neighbours();
  std::uint64_t position(std::uint64_t element) const;
  void read_run(const File& file, std::uint64_t at, std::span<std::byte> out) const;
  std::vector<std::byte> gather(const File& file, std::uint64_t first, std::uint64_t count) const;

  ByteRun run_;
  StridedLayout layout_;  // its strides in bytes
  std::uint64_t bytes_;
  mutable std::once_flag once_;
  mutable std::optional<UnpackedRun> unpacked_;
};

constexpr std::uint64_t kBatchBytes = std::uint64_t{1} << 20;   // gathered at once
constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 22;  // read at once, at most
constexpr std::uint64_t kGapBytes = std::uint64_t{1} << 14;     // read rather than skipped

// A tensor may repeat its elements (a stride of 0), but not so often that nobody can hold it.
constexpr std::uint64_t kMostSpread = 16, kFreeSpread = std::uint64_t{1} << 24;

// Elements of the last axes that lie one behind the other are one larger element.
void StridedDecoder::join_neighbours() {
  constexpr std::uint64_t kMostJoined = std::uint64_t{1} << 16;
  while (!layout_.shape.empty() && layout_.strides.back() == layout_.element_bytes &&
         layout_.shape.back() <= kMostJoined / layout_.element_bytes) {
    layout_.element_bytes *= layout_.shape.back();
    layout_.shape.pop_back();
    layout_.strides.pop_back();
  }
}

void StridedDecoder::read_run(const File& file, std::uint64_t at, std::span<std::byte> out) const {
  if (run_.access == ByteRun::Access::kAnywhere || run_.bytes <= kWindowBytes) return run_.read(file, at, out);
  std::call_once(once_, [&] { unpacked_.emplace(run_, file); });
  unpacked_->file().read(at, out);
}

// In bytes within the run.
std::uint64_t StridedDecoder::position(std::uint64_t element) const {
  std::uint64_t at = 0;
  for (std::size_t axis = layout_.shape.size(); axis-- > 0;) {
    at += element % layout_.shape[axis] * layout_.strides[axis];
    element /= layout_.shape[axis];
  }
  return layout_.offset + at;
}

// In the order in which they lie in the file, so that a batch reads each of its bytes once.
std::vector<std::byte> StridedDecoder::gather(const File& file, std::uint64_t first, std::uint64_t count) const {
  struct Place {
    std::uint64_t at, index;
  };
  std::vector<Place> places;
  for (std::uint64_t i = 0; i < count; ++i) places.push_back({position(first + i), i});
  std::ranges::sort(places, {}, &Place::at);
  const std::uint64_t size = layout_.element_bytes;
  std::vector<std::byte> gathered(count * size), window;
  for (std::size_t begin = 0, end = 0; begin < places.size(); begin = end) {
    const std::uint64_t start = places[begin].at;
    for (end = begin + 1; end < places.size(); ++end) {
      const std::uint64_t at = places[end].at;
      if (at + size - start > kWindowBytes || at - places[end - 1].at > kGapBytes) break;
    }
    window.resize(places[end - 1].at + size - start);
    read_run(file, start, window);
    for (std::size_t i = begin; i < end; ++i)
      std::copy_n(&window[places[i].at - start], size, &gathered[places[i].index * size]);
  }
  return gathered;
}

void StridedDecoder::read(const File& file, std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t size = layout_.element_bytes;
  for (std::uint64_t done = 0; done < out.size();) {
    const std::uint64_t first = (offset + done) / size, skipped = (offset + done) % size;
    const std::uint64_t wanted = std::min<std::uint64_t>(kBatchBytes, skipped + out.size() - done);
    std::vector<std::byte> bytes = gather(file, first, round_up(wanted, size) / size);
    if (layout_.order == StridedLayout::Order::kBigEndian)
      for (auto word = bytes.begin(); word != bytes.end(); word += static_cast<std::ptrdiff_t>(layout_.word_bytes))
        std::reverse(word, word + static_cast<std::ptrdiff_t>(layout_.word_bytes));
    std::copy_n(&bytes[skipped], wanted - skipped, &out[done]);
    done += wanted - skipped;
  }
}

// Axes of one element have no step.
bool is_contiguous(const StridedLayout& layout) {
  std::uint64_t step = 1;
  for (std::size_t axis = layout.shape.size(); axis-- > 0;) {
    if (layout.shape[axis] != 1 && layout.strides[axis] != step) return false;
    step *= layout.shape[axis];
  }
  return true;
}

// Bytes from the first element to the end of the last; nullopt: beyond 64 bits.
std::optional<std::uint64_t> span_of(const StridedLayout& layout) {
  std::uint64_t last = 0;
  for (std::size_t axis = 0; axis < layout.shape.size(); ++axis) {
    const auto step = checked_mul(layout.shape[axis] - 1, layout.strides[axis]);
    const auto sum = step ? checked_add(last, *step) : std::nullopt;
    if (!sum) return std::nullopt;
    last = *sum;
  }
  const auto elements = checked_add(last, 1);
  return elements ? checked_mul(*elements, layout.element_bytes) : std::nullopt;
}

}  // namespace

void ByteRun::read(const File& file, std::uint64_t at, std::span<std::byte> out) const {
  if (decoder) {
    decoder->read(file, at, out);
  } else {
    file.read(offset + at, out);
  }
}

TensorPart ByteRun::part(std::uint32_t file, std::uint64_t at, std::uint64_t size) const {
  if (!decoder) return {file, offset + at, size};
  return {file, offset, size, std::make_shared<CutDecoder>(*this, at, size)};
}

TensorPart strided_part(const ByteRun& run, std::uint32_t file, const StridedLayout& layout) {
  const std::uint64_t count = element_count(layout.shape);
  const auto bytes = checked_mul(count, layout.element_bytes);
  if (!bytes)
    fail(ErrorCode::kInput, "{} elements of {} bytes are more bytes than 64 bits can count", count,
         layout.element_bytes);
  if (count == 0) return {file, run.offset, 0};
  const auto span = span_of(layout);
  const auto end = span ? checked_add(*span, layout.offset) : std::nullopt;
  if (!end || *end > run.bytes) {
    fail(ErrorCode::kInput, "its last element ends at byte {}, but only {} are stored",
         end ? std::to_string(*end) : "2^64 or later", run.bytes);
  }
  const auto most = checked_mul(kMostSpread, run.bytes);
  if (most && *bytes > kFreeSpread && *bytes > *most)
    fail(ErrorCode::kInput, "{} stored bytes are spread over {}, more than {} times as many", run.bytes, *bytes,
         kMostSpread);
  const bool turned = layout.order == StridedLayout::Order::kBigEndian && layout.word_bytes > 1;
  if (!turned && is_contiguous(layout)) return run.part(file, layout.offset, *bytes);
  return {file, run.offset, *bytes, std::make_shared<StridedDecoder>(run, layout, *bytes)};
}

}  // namespace quern
