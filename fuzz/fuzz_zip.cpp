// Opening any bytes as an archive either gives entries that can be read, up to a size, or an Error.
#include "archive/zip.h"
#include "memory_file.h"
#include "quern/error.h"

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMostBytes = 1 << 20;  // of an entry: more only take time
  const MemoryFile memory(data, size);
  try {
    const File file(memory.path());
    for (const ZipEntry& entry : read_zip_directory(file)) try {
        read_entry(file, entry, kMostBytes);
      } catch (const Error&) {
      }
  } catch (const Error&) {
  }
  return 0;
}
