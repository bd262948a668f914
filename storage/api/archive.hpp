// The archive: documents of executions that have ended. It is their truth from the moment it has confirmed them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/unique_function.hpp"
#include "runtime/task.hpp"

namespace storage {

// One ended execution. `summary` is small (what lists and GET need), `chunks` are its events in order, each chunk at most
// about 256 KiB; both are opaque here (the pipeline's protobuf).
struct document {
    runtime::execution_id id;
    runtime::uuid tenant;
    runtime::uuid user;
    std::string summary;
    struct chunk {
        std::uint32_t first_event = 0;
        std::string bytes;
    };
    std::vector<chunk> chunks;
};

struct document_summary {
    runtime::execution_id id;
    runtime::uuid tenant;
    runtime::uuid user;
    std::string summary;
};

// Shard: one instance per shard; calls never block it. Every call may fail with the back-end's error.
class archive {
  public:
    virtual ~archive() = default;

    // Takes documents; an id that is there already is replaced by the same content (idempotent). It does not wait for
    // durability: on_durable is called on this shard, once, when the documents of this call are durable.
    virtual runtime::task<runtime::result<void>> put(std::vector<document> documents,
                                                     runtime::unique_function<void()> on_durable) = 0;
    virtual runtime::task<runtime::result<std::optional<document_summary>>> find(runtime::execution_id id) = 0;
    // Chunks from the one that holds `first_event` on, until `bytes_max` is reached (at least one); empty at the end.
    virtual runtime::task<runtime::result<std::vector<document::chunk>>> events(runtime::execution_id id,
                                                                                std::uint32_t first_event,
                                                                                std::size_t bytes_max) = 0;
    // Newest first, strictly below `before` if given, of one tenant (and user, if not nil), at most `limit`.
    virtual runtime::task<runtime::result<std::vector<document_summary>>> list(
        runtime::uuid tenant, runtime::uuid user, std::optional<runtime::execution_id> before, std::size_t limit) = 0;

    // Makes everything durable that put() has taken.
    virtual runtime::task<runtime::result<void>> flush() = 0;
    virtual runtime::task<void> stop() = 0;
};

}  // namespace storage
