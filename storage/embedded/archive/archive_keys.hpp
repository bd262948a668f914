// The archive's keys and values. Every number in a key is big-endian, so that keys sort by it; ids are UUIDv7 and sort
// by time. Four kinds of key, told apart by their first byte:
//     d id                  tenant, user, summary     one for each document
//     c id first_event      bytes                     one for each chunk
//     t tenant id           nothing                   lists of a tenant
//     u tenant user id      nothing                   lists of one user
// and one key `f`, whose value is the format's version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/ids.hpp"
#include "storage/api/archive.hpp"

namespace storage::embedded::archive_keys {

inline constexpr std::string_view format_key = "f";
inline constexpr std::uint32_t format_version = 1;

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

// Length of what index keys of one list share; 0 for any other key.
std::size_t index_prefix_length(std::string_view key);

std::optional<runtime::execution_id> id_at_end(std::string_view key);
std::optional<std::uint32_t> first_event_at_end(std::string_view key);

std::string encode_document(const document& what);
// Nothing if the value is too short to be one.
std::optional<document_summary> decode_document(runtime::execution_id id, std::string_view value);

}  // namespace storage::embedded::archive_keys
