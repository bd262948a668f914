// The archive's keys and values. Every number is big-endian, so that keys sort by it; ids are UUIDv7 and sort by time.
// Five kinds of key, told apart by their first byte:
//     d id                               tenant, user, end, a chunk, summary   one for each document
//     c id first_event                   bytes         one for each chunk that is not in its document's value
//     R end_period batch                 tenant, user, entries    the order in which retention takes them
//     T tenant begin_period batch        ids                      lists of a tenant
//     U tenant user begin_period batch   ids                      lists of one user
// one key `f`, whose value is the format's version, and one key `s`: how many documents, bytes and batches there are.
//
// The last three kinds name many documents each: those of one user that were put together, at most
// batch_documents_max, and ended or began within one period. A batch's number is never used again, so that a document's
// blocks are found from each other. Formats 1 and 2 had a key for each document instead (archive_format.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "storage/api/archive.hpp"

namespace storage::embedded::archive_keys {

inline constexpr std::string_view format_key = "f";
inline constexpr std::string_view totals_key = "s";
// Only while an archive of an earlier format is brought to this one: how far that has come.
inline constexpr std::string_view conversion_key = "v";
inline constexpr std::string_view document_prefix = "d";
inline constexpr std::string_view retention_prefix = "R";
inline constexpr std::uint32_t format_version = 3;
inline constexpr std::size_t kind_bytes = 1;  // at the beginning of every key

// A block of so many stays below what RocksDB keeps in files of their own.
inline constexpr std::size_t batch_documents_max = 96;
// A chunk of this size that is the only one lies in its document's value.
inline constexpr std::size_t inline_chunk_bytes_max = 2048;

std::string document_key(runtime::execution_id id);
// Begins every chunk's key of a document.
std::string chunk_prefix(runtime::execution_id id);
std::string chunk_key(runtime::execution_id id, std::uint32_t first_event);
// The first key behind everything that begins with `prefix`.
std::string behind(std::string prefix);

// A list shows what began in one period (256 ms) at once, retention what ended in one (65,536 us): long enough that a
// batch is seldom cut, short enough that a busy one is read in no time.
std::uint64_t begin_period(runtime::execution_id id);
std::uint64_t end_period(runtime::utc_time end);  // before 1970 counts as 1970

// Begin every key of a list, and of a list's period.
std::string tenant_prefix(runtime::uuid tenant);
std::string user_prefix(runtime::uuid tenant, runtime::uuid user);
std::string with_period(std::string_view prefix, std::uint64_t period);
// A block's key: of a list or of the order of retention.
std::string block_key(std::string_view prefix, std::uint64_t period, std::uint64_t batch);
std::optional<std::uint64_t> batch_at_end(std::string_view block_key);
// All but the batch's number.
std::string_view period_of(std::string_view block_key);

// Length of what keys share that come about in the order of time: those of one list, or of one kind. 0 for any other.
std::size_t run_prefix_length(std::string_view key);

std::optional<runtime::execution_id> id_of_document_key(std::string_view key);
std::optional<std::uint32_t> first_event_at_end(std::string_view key);

struct stored_document {
    document_summary summary;
    runtime::utc_time ended_at;
    struct chunk_in_value {
        std::uint32_t first_event = 0;
        std::string_view bytes;  // lies in the value
    };
    std::optional<chunk_in_value> chunk;  // the only one, if it is small
};
// What stands before a document's summary, but for the bytes of the chunk in it.
std::string encode_document_head(const document& what);
// The chunk that belongs into the document's value, or null.
const document::chunk* inline_chunk(const document& what);
// Nothing if the value is too short to be one.
std::optional<stored_document> decode_document(runtime::execution_id id, std::string_view value);

// What retention knows of a document.
struct retention_entry {
    runtime::execution_id id;
    runtime::utc_time ended_at;
    std::uint64_t bytes = 0;            // as they were put, and what it costs beside them
    std::vector<std::uint32_t> chunks;  // the first events of those with keys of their own

    void add_chunk(std::uint32_t first_event, std::size_t chunk_bytes, bool has_own_key);
};
retention_entry entry_of(const document& what);
// Where it stands in the order of retention; compares as a string.
std::string position_of(runtime::utc_time end, runtime::execution_id id);
inline std::string position_of(const retention_entry& entry) { return position_of(entry.ended_at, entry.id); }

struct retention_block {
    runtime::uuid tenant;
    runtime::uuid user;
    std::vector<retention_entry> entries;
};
std::string encode_retention_block(const retention_block& block);
// Nothing for one without an entry, too: such a block is removed.
std::optional<retention_block> decode_retention_block(std::string_view value);

std::string encode_ids(std::span<const runtime::execution_id> ids);
std::optional<std::vector<runtime::execution_id>> decode_ids(std::string_view value);

struct stored_totals : archive_totals {
    std::uint64_t batches = 0;  // the next one's number
};
std::string encode_totals(const stored_totals& totals);
// Those of format 2 too, which had no batches.
std::optional<stored_totals> decode_totals(std::string_view value);

// How earlier formats kept documents. The end is not in a value of format 1: the id's time stands for it.
std::optional<stored_document> decode_document_1(runtime::execution_id id, std::string_view value);
// `t tenant id`, `u tenant user id`, `r end id`; the last one in format 2 alone.
std::vector<std::string> index_keys_2(const document_summary& of, runtime::utc_time ended_at);

// The documents that a key names, of any format: of a document, of a tenant's list, or of the order of retention.
std::vector<runtime::execution_id> ids_named_by(std::string_view key, std::string_view value);

}  // namespace storage::embedded::archive_keys
