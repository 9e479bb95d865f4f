// SHA-256 through libcrypto's EVP interface, which uses SHA-NI where the processor has it.
#include "base/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "base/file.h"

namespace quern {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ensure(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
         "libcrypto offers no SHA-256");
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteSpan bytes) {
  ensure(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "libcrypto failed to hash {} bytes",
         bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  ensure(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1, "libcrypto failed to finish a hash");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_of(ByteSpan bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
  const File file(path);
  Sha256 hash;
  std::vector<std::byte> buffer(kChunk);
  for (std::uint64_t at = 0; at < file.size(); at += kChunk) {
    const auto part = std::span(buffer).first(std::min(kChunk, file.size() - at));
    file.read(at, part);
    hash.update(part);
  }
  return hash.hex();
}

}  // namespace quern
