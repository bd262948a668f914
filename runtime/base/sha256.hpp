// SHA-256 (FIPS 180-4) through OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace runtime {

using sha256_digest = std::array<std::uint8_t, 32>;

sha256_digest sha256(std::string_view bytes);

// Several pieces, one digest. finish() may be called once.
class sha256_hasher {
  public:
    sha256_hasher();
    ~sha256_hasher();
    sha256_hasher(const sha256_hasher&) = delete;
    sha256_hasher& operator=(const sha256_hasher&) = delete;

    void update(std::string_view bytes);
    sha256_digest finish();

  private:
    struct context;
    std::unique_ptr<context> context_;
};

}  // namespace runtime
