#include "runtime/base/sha256.hpp"

#include <openssl/evp.h>

#include "runtime/base/assert.hpp"

namespace runtime {

namespace {

// Looked up once: each look takes a lock and most of a short digest's time.
const EVP_MD* algorithm() {
    static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    WEIR_ASSERT(found != nullptr);
    return found;
}

}  // namespace

struct sha256_hasher::context {
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    context() = default;
    context(const context&) = delete;
    context& operator=(const context&) = delete;
    ~context() { EVP_MD_CTX_free(digest); }
};

sha256_hasher::sha256_hasher() : context_(std::make_unique<context>()) {
    WEIR_ASSERT(EVP_DigestInit_ex(context_->digest, algorithm(), nullptr) == 1);
}

sha256_hasher::~sha256_hasher() = default;

void sha256_hasher::update(std::string_view bytes) {
    WEIR_ASSERT(EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()) == 1);
}

sha256_digest sha256_hasher::finish() {
    sha256_digest out{};
    unsigned length = 0;
    WEIR_ASSERT(EVP_DigestFinal_ex(context_->digest, out.data(), &length) == 1 && length == out.size());
    return out;
}

sha256_digest sha256(std::string_view bytes) {
    sha256_digest out{};
    unsigned length = 0;
    WEIR_ASSERT(EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, algorithm(), nullptr) == 1);
    return out;
}

}  // namespace runtime
