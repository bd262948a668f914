// The archive: documents of executions that have ended. It is their truth from the moment it has confirmed them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/task.hpp"

namespace storage {

// One ended execution. `summary` is small (what lists and GET need), `chunks` are its events in order, each chunk at
// most about 256 KiB; both are opaque here (the pipeline's protobuf).
struct document {
    runtime::execution_id id;
    runtime::uuid tenant;
    runtime::uuid user;
    runtime::utc_time ended_at;  // what retention goes by
    std::string summary;
    struct chunk {
        std::uint32_t first_event = 0;
        std::string bytes;
    };
    std::vector<chunk> chunks;
    // Its owner knows that it was never put before, in this life or an earlier one: the archive need not look for what
    // it replaces.
    bool is_new = false;
};

enum class archive_errc {
    failed = 1,    // the back-end failed; a later call may succeed
    unavailable,   // it cannot be reached now
    no_space,      // heals by itself when space returns
    corrupt,       // what must be there is not, or cannot be read
    newer_format,  // written by a later version
    in_use,        // another process has it open
    busy,          // a limit of waiting documents is reached: try again later
    stopped,       // stop() was called
};
boost::system::error_code make_error_code(archive_errc e);

struct document_summary {
    runtime::execution_id id;
    runtime::uuid tenant;
    runtime::uuid user;
    std::string summary;
};

// How much history is kept; 0 is no limit.
struct retention_limits {
    runtime::nanoseconds age_max{0};  // since an execution's end
    std::uint64_t documents_max = 0;
    std::uint64_t bytes_max = 0;  // of documents as they were put, before any compression
};

// What one step of retention did, and why: the first of the limits, in this order, that was exceeded.
struct retention_step {
    std::uint64_t by_age = 0;
    std::uint64_t by_count = 0;
    std::uint64_t by_bytes = 0;
    std::uint64_t bytes = 0;  // of all of them
    bool more = false;        // a limit is still exceeded, and another step would remove something now
    [[nodiscard]] std::uint64_t documents() const { return by_age + by_count + by_bytes; }
};

// What the whole archive holds, all shards together.
struct archive_totals {
    std::uint64_t documents = 0;
    std::uint64_t bytes = 0;
};

// Shard: one instance per shard; calls never block it. Every call may fail with the back-end's error.
class archive {
  public:
    virtual ~archive() = default;

    // Takes documents; an id that is there already is replaced by the same content (idempotent). It does not wait for
    // durability: on_durable is called on this shard, once, when the documents of this call are durable. After an error
    // it is not called, and the documents may be there or not. A cancelled call may have taken them all the same.
    virtual runtime::task<runtime::result<void>> put(std::vector<document> documents,
                                                     runtime::unique_function<void()> on_durable) = 0;
    virtual runtime::task<runtime::result<std::optional<document_summary>>> find(runtime::execution_id id) = 0;
    // Chunks from the one that holds `first_event` on, until `bytes_max` is reached (at least one); empty when there is
    // no such document. Chunks are opaque, so the last one holds whatever number lies behind its first.
    virtual runtime::task<runtime::result<std::vector<document::chunk>>> events(runtime::execution_id id,
                                                                                std::uint32_t first_event,
                                                                                std::size_t bytes_max) = 0;
    // Newest first, strictly below `before` if given, of one tenant (and user, if not nil), at most `limit`.
    virtual runtime::task<runtime::result<std::vector<document_summary>>> list(
        runtime::uuid tenant, runtime::uuid user, std::optional<runtime::execution_id> before, std::size_t limit) = 0;

    // One step of retention, for the whole archive: removes those documents that ended first, at most `documents_max`
    // of them, as long as a limit is exceeded at `now`. A document goes with everything that belongs to it, at once,
    // and is then as one that never was; put() may bring it again. None goes before it is durable. A crash may bring
    // back what was removed shortly before it.
    virtual runtime::task<runtime::result<retention_step>> remove_oldest(retention_limits limits, runtime::utc_time now,
                                                                         std::size_t documents_max) = 0;
    // As of a moment ago.
    [[nodiscard]] virtual archive_totals totals() const = 0;

    // Makes everything durable that put() has taken.
    virtual runtime::task<runtime::result<void>> flush() = 0;
    // Flushes, waits for the calls in flight and refuses later ones. Documents not durable then are never confirmed.
    virtual runtime::task<void> stop() = 0;
};

}  // namespace storage

template <>
struct boost::system::is_error_code_enum<storage::archive_errc> : std::true_type {};
