// Compiled programs, by what they were made of: the same source is compiled once and run many times. A node's artefacts
// are spread over its shards by their key; each shard owns its part, and others ask it by submit().
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "runtime/base/metrics.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/shard.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

using artifact_key = runtime::sha256_digest;

// Never changes once it is made; any thread may read it.
struct artifact {
    descriptor memory;  // a sealed file
    std::uint64_t bytes = 0;
};
using artifact_pointer = std::shared_ptr<const artifact>;

struct artifact_counters {
    std::uint64_t found = 0;
    std::uint64_t made = 0;
    std::uint64_t evicted = 0;   // to stay within the bound
    std::uint64_t not_kept = 0;  // larger than the bound
};

// One shard's part. Shard: its owner only.
class artifact_cache {
  public:
    // `bytes_max`: of all artefacts that are kept; the one that was used least recently goes first.
    artifact_cache(runtime::shard& home, std::uint64_t bytes_max);

    struct claim_result {
        artifact_pointer found;     // or null, and then:
        std::uint64_t making = 0;   // not 0: somebody makes it; ask again later, with this number
        std::uint64_t license = 0;  // not 0: the caller makes it, and tells by settle()
    };
    // `waited_for`: the number that an earlier answer gave, or 0. Who has waited for one maker in vain does not wait
    // for another: both numbers are 0, and the caller makes it for itself.
    claim_result claim(const artifact_key& key, std::uint64_t waited_for);
    // The end of a license. Null: it could not be made.
    void settle(const artifact_key& key, std::uint64_t license, artifact_pointer made);

    [[nodiscard]] const artifact_counters& counters() const { return counters_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t size() const { return kept_.size(); }

  private:
    struct key_hash {
        std::size_t operator()(const artifact_key& key) const noexcept;
    };
    struct kept {
        artifact_pointer what;
        std::list<artifact_key>::iterator place;  // in by_use_
    };
    void keep(const artifact_key& key, artifact_pointer made);

    std::uint64_t bytes_max_;
    std::uint64_t bytes_ = 0;
    std::uint64_t next_license_ = 1;
    std::unordered_map<artifact_key, kept, key_hash> kept_;
    std::unordered_map<artifact_key, std::uint64_t, key_hash> makers_;  // at most one for each run in flight
    std::list<artifact_key> by_use_;                                    // the last used first
    artifact_counters counters_;
    runtime::counter& found_;
    runtime::counter& made_;
    runtime::counter& evicted_;
    runtime::counter& limit_reached_;
    runtime::gauge& bytes_gauge_;
};

// Of a whole node. Made before the shards; each opens its part when its worker is made, before anything runs.
class artifact_directory {
  public:
    artifact_directory(std::size_t shards, std::uint64_t bytes_max) : bytes_max_(bytes_max), parts_(shards) {}

    struct part {
        part(runtime::shard& owner, std::uint64_t bytes_max) : home(owner), cache(owner, bytes_max) {}
        runtime::shard& home;
        artifact_cache cache;
    };
    // Shard: `home`.
    void open_part(runtime::shard& home);
    // Any shard; its cache is touched on its home alone.
    [[nodiscard]] part& part_of(const artifact_key& key);

  private:
    std::uint64_t bytes_max_;
    std::vector<std::unique_ptr<part>> parts_;
};

}  // namespace stages::worker::sandbox
