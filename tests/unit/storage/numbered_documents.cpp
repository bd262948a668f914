#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {

using storage::document;

runtime::execution_id numbered_id(std::uint64_t number) {
    runtime::execution_id id;
    // 2 to the power of 40 ms after 1970, then the number as time.
    const std::uint64_t millis = (1ULL << 40) + number;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(millis >> (40 - 8 * i));
    id.bytes[6] = 0x70;
    id.bytes[8] = 0x80;
    // Bytes that a careless order or bound would trip over.
    id.bytes[15] = static_cast<std::uint8_t>(255 - number % 256);
    return id;
}

runtime::uuid tenant_id(std::string_view name) { return runtime::named_id("tenant", name); }
runtime::uuid user_id(std::string_view name) { return runtime::named_id("user", name); }

document numbered_document(std::uint64_t number, std::string_view tenant, std::string_view user) {
    document out;
    out.id = numbered_id(number);
    out.tenant = tenant_id(tenant);
    out.user = user_id(user);
    out.ended_at = out.id.created_at();
    out.summary = "summary " + std::to_string(number);
    out.chunks.push_back({1, "chunk of " + std::to_string(number)});
    return out;
}

}  // namespace tests
