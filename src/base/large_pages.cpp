// Blocks of at least one large page are aligned to it and marked for it; smaller ones are ordinary.
#include "base/large_pages.h"

#include <sys/mman.h>

#include <cstdlib>

#include "base/bytes.h"

namespace quern {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;

}  // namespace

void* allocate_large(std::size_t bytes) {
  if (bytes < kLargePage) return ::operator new(bytes);
  void* memory = bytes > static_cast<std::size_t>(-1) - kLargePage
                     ? nullptr
                     : std::aligned_alloc(kLargePage, round_up(bytes, kLargePage));
  if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // A wish: a system without large pages serves small ones, and the last page stays small so that no memory is wasted.
  ::madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
#endif
  return memory;
}

void free_large(void* memory, std::size_t bytes) noexcept {
  if (bytes < kLargePage) return ::operator delete(memory);
  std::free(memory);
}

}  // namespace quern
