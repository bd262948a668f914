#include "storage/embedded/archive/archive_keys.hpp"

#include <algorithm>

namespace storage::embedded::archive_keys {
namespace {

constexpr std::size_t uuid_bytes = 16;
constexpr std::size_t time_bytes = 8;
constexpr std::size_t count_bytes = 8;
constexpr std::size_t event_bytes = 4;
constexpr std::size_t period_bytes = 8;
constexpr std::size_t batch_bytes = 8;
constexpr int begin_period_bits = 8;  // of milliseconds
constexpr int end_period_bits = 16;   // of microseconds
// In a document's end: a chunk follows it.
constexpr std::uint64_t chunk_follows = 1ULL << 63;
// What a document costs beside its own bytes: keys and small values.
constexpr std::uint64_t overhead_bytes = 256;
constexpr std::uint64_t chunk_overhead_bytes = 64;

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

std::uint64_t time_number(runtime::utc_time time) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(time.microseconds_since_epoch, 0));
}

runtime::utc_time time_from(std::uint64_t number) { return {static_cast<std::int64_t>(number)}; }

// Cuts values into their fields. Once one is longer than what is left, the rest is empty and it has failed.
class fields {
  public:
    explicit fields(std::string_view value) : rest_(value) {}
    std::string_view bytes(std::size_t count) {
        if (rest_.size() < count) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto out = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return out;
    }
    std::uint64_t number(std::size_t count) { return number_from(bytes(count)); }
    runtime::uuid id() {
        const auto out = bytes(uuid_bytes);
        return failed_ ? runtime::uuid() : uuid_from(out);
    }
    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool failed() const { return failed_; }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

// What every format's value begins with.
stored_document owner_of(runtime::execution_id id, fields& in) {
    stored_document out;
    out.summary.id = id;
    out.summary.tenant = in.id();
    out.summary.user = in.id();
    return out;
}

}  // namespace

std::string document_key(runtime::execution_id id) { return with_prefix('d', id); }

std::string chunk_prefix(runtime::execution_id id) { return with_prefix('c', id, event_bytes); }

std::string chunk_key(runtime::execution_id id, std::uint32_t first_event) {
    std::string key = chunk_prefix(id);
    append_number(key, first_event, event_bytes);
    return key;
}

std::string behind(std::string prefix) {
    while (!prefix.empty() && static_cast<std::uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
    if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<std::uint8_t>(prefix.back()) + 1);
    return prefix;
}

std::uint64_t begin_period(runtime::execution_id id) {
    return time_number(id.created_at()) / 1000 >> begin_period_bits;
}

std::uint64_t end_period(runtime::utc_time end) { return time_number(end) >> end_period_bits; }

std::string tenant_prefix(runtime::uuid tenant) { return with_prefix('T', tenant, period_bytes + batch_bytes); }

std::string user_prefix(runtime::uuid tenant, runtime::uuid user) {
    std::string key = with_prefix('U', tenant, uuid_bytes + period_bytes + batch_bytes);
    append(key, user);
    return key;
}

std::string with_period(std::string_view prefix, std::uint64_t period) {
    std::string key;
    key.reserve(prefix.size() + period_bytes + batch_bytes);
    key += prefix;
    append_number(key, period, period_bytes);
    return key;
}

std::string block_key(std::string_view prefix, std::uint64_t period, std::uint64_t batch) {
    std::string key = with_period(prefix, period);
    append_number(key, batch, batch_bytes);
    return key;
}

std::optional<std::uint64_t> batch_at_end(std::string_view block_key) {
    if (block_key.size() < kind_bytes + period_bytes + batch_bytes) return std::nullopt;
    return number_from(block_key.substr(block_key.size() - batch_bytes));
}

std::string_view period_of(std::string_view block_key) {
    return block_key.substr(0, block_key.size() - std::min(block_key.size(), batch_bytes));
}

std::size_t run_prefix_length(std::string_view key) {
    if (key.empty()) return 0;
    std::size_t length = 0;
    switch (key[0]) {
        case 'd':
        case 'c':
        case 'R': length = kind_bytes; break;
        case 'T': length = kind_bytes + uuid_bytes; break;
        case 'U': length = kind_bytes + 2 * uuid_bytes; break;
        default: break;
    }
    return key.size() >= length ? length : 0;
}

std::optional<runtime::execution_id> id_of_document_key(std::string_view key) {
    if (key.size() != kind_bytes + uuid_bytes) return std::nullopt;
    return runtime::execution_id(uuid_from(key.substr(kind_bytes)));
}

std::optional<std::uint32_t> first_event_at_end(std::string_view key) {
    if (key.size() != kind_bytes + uuid_bytes + event_bytes) return std::nullopt;
    return static_cast<std::uint32_t>(number_from(key.substr(kind_bytes + uuid_bytes)));
}

const document::chunk* inline_chunk(const document& what) {
    const bool fits = what.chunks.size() == 1 && what.chunks[0].bytes.size() <= inline_chunk_bytes_max;
    return fits ? what.chunks.data() : nullptr;
}

std::string encode_document_head(const document& what) {
    const auto* const chunk = inline_chunk(what);
    std::string value;
    value.reserve(2 * uuid_bytes + time_bytes + 2 * event_bytes);
    append(value, what.tenant);
    append(value, what.user);
    append_number(value, time_number(what.ended_at) | (chunk != nullptr ? chunk_follows : 0), time_bytes);
    if (chunk == nullptr) return value;
    append_number(value, chunk->first_event, event_bytes);
    append_number(value, chunk->bytes.size(), event_bytes);
    return value;
}

std::optional<stored_document> decode_document(runtime::execution_id id, std::string_view value) {
    fields in(value);
    stored_document out = owner_of(id, in);
    const std::uint64_t end = in.number(time_bytes);
    out.ended_at = time_from(end & ~chunk_follows);
    if ((end & chunk_follows) != 0) {
        stored_document::chunk_in_value chunk;
        chunk.first_event = static_cast<std::uint32_t>(in.number(event_bytes));
        chunk.bytes = in.bytes(in.number(event_bytes));
        out.chunk = chunk;
    }
    out.summary.summary = in.rest();
    if (in.failed()) return std::nullopt;
    return out;
}

retention_entry entry_of(const document& what) {
    retention_entry out;
    out.id = what.id;
    out.ended_at = what.ended_at;
    out.bytes = what.summary.size() + overhead_bytes;
    const bool have_own_keys = inline_chunk(what) == nullptr;
    for (const auto& chunk : what.chunks) out.add_chunk(chunk.first_event, chunk.bytes.size(), have_own_keys);
    return out;
}

void retention_entry::add_chunk(std::uint32_t first_event, std::size_t chunk_bytes, bool has_own_key) {
    bytes += chunk_bytes + chunk_overhead_bytes;
    if (has_own_key) chunks.push_back(first_event);
}

std::string position_of(runtime::utc_time end, runtime::execution_id id) {
    std::string out;
    out.reserve(time_bytes + uuid_bytes);
    append_number(out, time_number(end), time_bytes);
    append(out, id);
    return out;
}

std::string encode_retention_block(const retention_block& block) {
    std::string value;
    value.reserve(2 * uuid_bytes + block.entries.size() * (uuid_bytes + time_bytes + count_bytes + event_bytes));
    append(value, block.tenant);
    append(value, block.user);
    for (const auto& entry : block.entries) {
        append(value, entry.id);
        append_number(value, time_number(entry.ended_at), time_bytes);
        append_number(value, entry.bytes, count_bytes);
        append_number(value, entry.chunks.size(), event_bytes);
        for (const auto first : entry.chunks) append_number(value, first, event_bytes);
    }
    return value;
}

std::optional<retention_block> decode_retention_block(std::string_view value) {
    fields in(value);
    retention_block out;
    out.tenant = in.id();
    out.user = in.id();
    while (!in.failed() && !in.rest().empty()) {
        retention_entry& entry = out.entries.emplace_back();
        entry.id = runtime::execution_id(in.id());
        entry.ended_at = time_from(in.number(time_bytes));
        entry.bytes = in.number(count_bytes);
        for (auto count = in.number(event_bytes); count > 0 && !in.failed(); --count)
            entry.chunks.push_back(static_cast<std::uint32_t>(in.number(event_bytes)));
    }
    if (in.failed() || out.entries.empty()) return std::nullopt;
    return out;
}

std::string encode_ids(std::span<const runtime::execution_id> ids) {
    std::string value;
    value.reserve(ids.size() * uuid_bytes);
    for (const auto& id : ids) append(value, id);
    return value;
}

std::optional<std::vector<runtime::execution_id>> decode_ids(std::string_view value) {
    if (value.size() % uuid_bytes != 0) return std::nullopt;
    std::vector<runtime::execution_id> out;
    out.reserve(value.size() / uuid_bytes);
    for (std::size_t at = 0; at < value.size(); at += uuid_bytes)
        out.emplace_back(uuid_from(value.substr(at, uuid_bytes)));
    return out;
}

std::string encode_totals(const stored_totals& totals) {
    std::string value;
    append_number(value, totals.documents, count_bytes);
    append_number(value, totals.bytes, count_bytes);
    append_number(value, totals.batches, count_bytes);
    return value;
}

std::optional<stored_totals> decode_totals(std::string_view value) {
    fields in(value);
    stored_totals out;
    out.documents = in.number(count_bytes);
    out.bytes = in.number(count_bytes);
    if (!in.rest().empty()) out.batches = in.number(count_bytes);
    if (in.failed() || !in.rest().empty()) return std::nullopt;
    return out;
}

std::optional<stored_document> decode_document_1(runtime::execution_id id, std::string_view value) {
    fields in(value);
    stored_document out = owner_of(id, in);
    out.summary.summary = in.rest();
    out.ended_at = id.created_at();
    if (in.failed()) return std::nullopt;
    return out;
}

std::vector<std::string> index_keys_2(const document_summary& of, runtime::utc_time ended_at) {
    std::string tenant = with_prefix('t', of.tenant, uuid_bytes);
    std::string user = with_prefix('u', of.tenant, 2 * uuid_bytes);
    append(user, of.user);
    for (auto* const list : {&tenant, &user}) append(*list, of.id);
    return {std::move(tenant), std::move(user), "r" + position_of(ended_at, of.id)};
}

std::vector<runtime::execution_id> ids_named_by(std::string_view key, std::string_view value) {
    std::vector<runtime::execution_id> out;
    switch (key.empty() ? '\0' : key[0]) {
        case 'd':
        case 't':
        case 'r':
            if (key.size() > uuid_bytes) out.emplace_back(uuid_from(key.substr(key.size() - uuid_bytes)));
            break;
        case 'T': return decode_ids(value).value_or(std::move(out));
        case 'R':
            if (const auto block = decode_retention_block(value))
                for (const auto& entry : block->entries) out.push_back(entry.id);
            break;
        default: break;
    }
    return out;
}

}  // namespace storage::embedded::archive_keys
