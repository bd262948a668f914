// The archive's keys and values. Every number in a key is big-endian, so that keys sort by it; ids are UUIDv7 and sort
// by time. Five kinds of key, told apart by their first byte:
//     d id                  tenant, user, end, summary             one for each document
//     c id first_event      bytes                                  one for each chunk
//     t tenant id           nothing                                lists of a tenant
//     u tenant user id      nothing                                lists of one user
//     r end id              tenant, user, bytes, its chunks        the order in which retention takes them
// one key `f`, whose value is the format's version, and one key `s`: how many documents and bytes there are.
//
// Format 1 had no `r`, no `s` and no end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "storage/api/archive.hpp"

namespace storage::embedded::archive_keys {

inline constexpr std::string_view format_key = "f";
inline constexpr std::string_view totals_key = "s";
inline constexpr std::string_view document_prefix = "d";
inline constexpr std::string_view retention_prefix = "r";
inline constexpr std::uint32_t format_version = 2;
inline constexpr std::size_t kind_bytes = 1;  // at the beginning of every key

std::string document_key(runtime::execution_id id);
// Begins every chunk's key of a document.
std::string chunk_prefix(runtime::execution_id id);
std::string chunk_key(runtime::execution_id id, std::uint32_t first_event);
std::string tenant_prefix(runtime::uuid tenant);
std::string user_prefix(runtime::uuid tenant, runtime::uuid user);
// An index key ends with the id.
std::string index_key(std::string_view prefix, runtime::execution_id id);
// The first key behind everything that begins with `prefix`.
std::string behind(std::string prefix);

// Before 1970 counts as 1970.
std::string retention_key(runtime::utc_time end, runtime::execution_id id);

// Length of what keys share that come about in the order of time: those of one list, or of one kind. 0 for any other.
std::size_t run_prefix_length(std::string_view key);

std::optional<runtime::execution_id> id_at_end(std::string_view key);
std::optional<std::uint32_t> first_event_at_end(std::string_view key);
std::optional<runtime::utc_time> end_of_retention_key(std::string_view key);

struct stored_document {
    document_summary summary;
    runtime::utc_time ended_at;
};
std::string encode_document(const document& what);
// Nothing if the value is too short to be one.
std::optional<stored_document> decode_document(runtime::execution_id id, std::string_view value);
// A value of format 1, where the end was not kept: the id's time stands for it.
std::optional<stored_document> decode_document_1(runtime::execution_id id, std::string_view value);

// All that must be known of a document to remove it.
struct retention_entry {
    runtime::uuid tenant;
    runtime::uuid user;
    std::uint64_t bytes = 0;
    std::vector<std::uint32_t> chunks;  // their first events
};
retention_entry entry_of(const document& what);
std::string encode_entry(const retention_entry& entry);
std::optional<retention_entry> decode_entry(std::string_view value);

std::string encode_totals(const archive_totals& totals);
std::optional<archive_totals> decode_totals(std::string_view value);

}  // namespace storage::embedded::archive_keys
