// Blobs: payloads too large for a record, claim-checked: the record that names one carries a reference. A blob is cut
// into pieces of at most blob_piece_bytes_max; embedded, the pieces are records in the same batch as the one that names
// them.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/task.hpp"
#include "storage/api/log.hpp"

namespace storage {

inline constexpr std::size_t blob_piece_bytes_max = 256 * 1024;
// Smaller payloads stay in their record.
inline constexpr std::size_t blob_inline_bytes_max = 4 * 1024;

struct blob_reference {
    offset first = 0;  // embedded: offset of the first piece; the others follow it without a gap
    std::uint32_t pieces = 0;
    std::uint64_t bytes = 0;
};

// Shard: one instance per shard, its owner only.
class blobs {
  public:
    virtual ~blobs() = default;
    // Takes the bytes; they are durable when the record that is appended next in the same partition is. `like` carries
    // entity, tenant, user and partition.
    virtual result<blob_reference> put(const record_header& like, std::string_view bytes) = 0;
    virtual task<result<std::string>> get(partition_id partition, blob_reference reference) = 0;
};

}  // namespace storage
