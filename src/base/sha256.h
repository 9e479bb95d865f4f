// SHA-256 over libcrypto.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace quern {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(ByteSpan bytes);
  // 64 lower-case hexadecimal digits. Call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(ByteSpan bytes);
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace quern
