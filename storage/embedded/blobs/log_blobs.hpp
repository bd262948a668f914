// Blobs in the log: the pieces are records of their own type, appended right before the record that names them, so that
// one commit makes both durable.
//
// For app/: after the shard's log is made,
//     auto front = std::make_unique<log_blobs>(log, record_type);   // the pipeline's number for "piece of a blob"
#pragma once

#include <cstdint>

#include "storage/api/blobs.hpp"
#include "storage/api/log.hpp"

namespace storage::embedded {

// Shard: the log's. Lifetime: the log outlives it. It works over any log whose offsets append() gives at once.
class log_blobs final : public blobs {
  public:
    // Replaying a log, whoever finds this type skips it: pieces are read through their reference.
    log_blobs(log& over, std::uint16_t record_type) : log_(over), record_type_(record_type) {}

    // Fails as log::append() does. Pieces appended before a failure are never named, and go with their segment. No
    // bytes give a reference without pieces.
    result<blob_reference> put(const record_header& like, std::string_view bytes) override;
    // log_errc::not_found before the blob is durable and after its release; log_errc::corrupt if what lies there is not
    // the blob. Reads at most 4 MiB at a time. A cancelled get() throws operation_aborted.
    task<result<std::string>> get(partition_id partition, blob_reference reference) override;

  private:
    log& log_;
    std::uint16_t record_type_;
};

}  // namespace storage::embedded
