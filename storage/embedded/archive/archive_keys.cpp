#include "storage/embedded/archive/archive_keys.hpp"

#include <algorithm>

namespace storage::embedded::archive_keys {
namespace {

constexpr std::size_t uuid_bytes = 16;

void append(std::string& to, const runtime::uuid& id) {
    to.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

runtime::uuid uuid_from(std::string_view bytes) {
    runtime::uuid out;
    std::copy_n(bytes.begin(), uuid_bytes, reinterpret_cast<char*>(out.bytes.data()));
    return out;
}

std::string with_prefix(char kind, const runtime::uuid& id, std::size_t more = 0) {
    std::string key;
    key.reserve(1 + uuid_bytes + more);
    key.push_back(kind);
    append(key, id);
    return key;
}

}  // namespace

std::string document_key(runtime::execution_id id) { return with_prefix('d', id); }

std::string chunk_prefix(runtime::execution_id id) { return with_prefix('c', id, 4); }

std::string chunk_key(runtime::execution_id id, std::uint32_t first_event) {
    std::string key = chunk_prefix(id);
    for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(first_event >> shift));
    return key;
}

std::string tenant_prefix(runtime::uuid tenant) { return with_prefix('t', tenant, uuid_bytes); }

std::string user_prefix(runtime::uuid tenant, runtime::uuid user) {
    std::string key = with_prefix('u', tenant, 2 * uuid_bytes);
    append(key, user);
    return key;
}

std::string index_key(std::string_view prefix, runtime::execution_id id) {
    std::string key(prefix);
    append(key, id);
    return key;
}

std::string behind(std::string prefix) {
    while (!prefix.empty() && static_cast<std::uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
    if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<std::uint8_t>(prefix.back()) + 1);
    return prefix;
}

std::size_t index_prefix_length(std::string_view key) {
    if (key.empty()) return 0;
    const std::size_t length = key[0] == 't' ? 1 + uuid_bytes : key[0] == 'u' ? 1 + 2 * uuid_bytes : 0;
    return key.size() >= length ? length : 0;
}

std::optional<runtime::execution_id> id_at_end(std::string_view key) {
    if (key.size() < uuid_bytes) return std::nullopt;
    return runtime::execution_id(uuid_from(key.substr(key.size() - uuid_bytes)));
}

std::optional<std::uint32_t> first_event_at_end(std::string_view key) {
    if (key.size() != 1 + uuid_bytes + 4) return std::nullopt;
    std::uint32_t number = 0;
    for (std::size_t i = key.size() - 4; i < key.size(); ++i) number = number << 8 | static_cast<std::uint8_t>(key[i]);
    return number;
}

std::string encode_document(const document& what) {
    std::string value;
    value.reserve(2 * uuid_bytes + what.summary.size());
    append(value, what.tenant);
    append(value, what.user);
    value += what.summary;
    return value;
}

std::optional<document_summary> decode_document(runtime::execution_id id, std::string_view value) {
    if (value.size() < 2 * uuid_bytes) return std::nullopt;
    document_summary out;
    out.id = id;
    out.tenant = uuid_from(value);
    out.user = uuid_from(value.substr(uuid_bytes));
    out.summary = value.substr(2 * uuid_bytes);
    return out;
}

}  // namespace storage::embedded::archive_keys
