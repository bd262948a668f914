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

void append_number(std::string& to, std::uint64_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to.push_back(static_cast<char>(number >> shift));
}

std::uint64_t number_from(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
}

constexpr std::size_t time_bytes = 8;
constexpr std::size_t count_bytes = 8;
constexpr std::size_t event_bytes = 4;
// What a document costs beside its own bytes: keys and small values.
constexpr std::uint64_t overhead_bytes = 256;
constexpr std::uint64_t chunk_overhead_bytes = 64;

std::uint64_t time_number(runtime::utc_time time) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(time.microseconds_since_epoch, 0));
}

runtime::utc_time time_from(std::string_view bytes) { return {static_cast<std::int64_t>(number_from(bytes))}; }

}  // namespace

std::string document_key(runtime::execution_id id) { return with_prefix('d', id); }

std::string chunk_prefix(runtime::execution_id id) { return with_prefix('c', id, 4); }

std::string chunk_key(runtime::execution_id id, std::uint32_t first_event) {
    std::string key = chunk_prefix(id);
    append_number(key, first_event, event_bytes);
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

std::string retention_key(runtime::utc_time end, runtime::execution_id id) {
    std::string key(retention_prefix);
    key.reserve(1 + time_bytes + uuid_bytes);
    append_number(key, time_number(end), time_bytes);
    append(key, id);
    return key;
}

std::size_t run_prefix_length(std::string_view key) {
    if (key.empty()) return 0;
    std::size_t length = 0;
    switch (key[0]) {
        case 'd':
        case 'c':
        case 'r': length = 1; break;
        case 't': length = 1 + uuid_bytes; break;
        case 'u': length = 1 + 2 * uuid_bytes; break;
        default: break;
    }
    return key.size() >= length ? length : 0;
}

std::optional<runtime::execution_id> id_at_end(std::string_view key) {
    if (key.size() < uuid_bytes) return std::nullopt;
    return runtime::execution_id(uuid_from(key.substr(key.size() - uuid_bytes)));
}

std::optional<std::uint32_t> first_event_at_end(std::string_view key) {
    if (key.size() != 1 + uuid_bytes + event_bytes) return std::nullopt;
    return static_cast<std::uint32_t>(number_from(key.substr(1 + uuid_bytes)));
}

std::optional<runtime::utc_time> end_of_retention_key(std::string_view key) {
    if (key.size() != 1 + time_bytes + uuid_bytes) return std::nullopt;
    return time_from(key.substr(1, time_bytes));
}

std::string encode_document(const document& what) {
    std::string value;
    value.reserve(2 * uuid_bytes + time_bytes + what.summary.size());
    append(value, what.tenant);
    append(value, what.user);
    append_number(value, time_number(what.ended_at), time_bytes);
    value += what.summary;
    return value;
}

std::optional<stored_document> decode_document_1(runtime::execution_id id, std::string_view value) {
    if (value.size() < 2 * uuid_bytes) return std::nullopt;
    stored_document out;
    out.summary.id = id;
    out.summary.tenant = uuid_from(value);
    out.summary.user = uuid_from(value.substr(uuid_bytes));
    out.summary.summary = value.substr(2 * uuid_bytes);
    out.ended_at = id.created_at();
    return out;
}

std::optional<stored_document> decode_document(runtime::execution_id id, std::string_view value) {
    auto out = decode_document_1(id, value);
    if (!out || out->summary.summary.size() < time_bytes) return std::nullopt;
    out->ended_at = time_from(std::string_view(out->summary.summary).substr(0, time_bytes));
    out->summary.summary.erase(0, time_bytes);
    return out;
}

retention_entry entry_of(const document& what) {
    retention_entry out;
    out.tenant = what.tenant;
    out.user = what.user;
    out.bytes = what.summary.size() + overhead_bytes;
    for (const auto& chunk : what.chunks) {
        out.bytes += chunk.bytes.size() + chunk_overhead_bytes;
        out.chunks.push_back(chunk.first_event);
    }
    return out;
}

std::string encode_entry(const retention_entry& entry) {
    std::string value;
    value.reserve(2 * uuid_bytes + count_bytes + entry.chunks.size() * event_bytes);
    append(value, entry.tenant);
    append(value, entry.user);
    append_number(value, entry.bytes, count_bytes);
    for (const auto first : entry.chunks) append_number(value, first, event_bytes);
    return value;
}

std::optional<retention_entry> decode_entry(std::string_view value) {
    constexpr std::size_t head = 2 * uuid_bytes + count_bytes;
    if (value.size() < head || (value.size() - head) % event_bytes != 0) return std::nullopt;
    retention_entry out;
    out.tenant = uuid_from(value);
    out.user = uuid_from(value.substr(uuid_bytes));
    out.bytes = number_from(value.substr(2 * uuid_bytes, count_bytes));
    for (std::size_t at = head; at < value.size(); at += event_bytes)
        out.chunks.push_back(static_cast<std::uint32_t>(number_from(value.substr(at, event_bytes))));
    return out;
}

std::string encode_totals(const archive_totals& totals) {
    std::string value;
    append_number(value, totals.documents, count_bytes);
    append_number(value, totals.bytes, count_bytes);
    return value;
}

std::optional<archive_totals> decode_totals(std::string_view value) {
    if (value.size() != 2 * count_bytes) return std::nullopt;
    return archive_totals{number_from(value.substr(0, count_bytes)), number_from(value.substr(count_bytes))};
}

}  // namespace storage::embedded::archive_keys
