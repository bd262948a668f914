#include "stages/worker/sandbox/artifact_cache.hpp"

#include <cstring>

#include "runtime/base/assert.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::string_view limit_name = "runtimes.cache_bytes_max";

std::uint64_t number_of(const artifact_key& key, std::size_t at) {
    std::uint64_t out = 0;
    std::memcpy(&out, key.data() + at, sizeof out);
    return out;
}

}  // namespace

std::size_t artifact_cache::key_hash::operator()(const artifact_key& key) const noexcept { return number_of(key, 0); }

artifact_cache::artifact_cache(runtime::shard& home, std::uint64_t bytes_max)
    : bytes_max_(bytes_max),
      found_(home.metrics().make_counter("weir_artifacts_found_total", "Compile steps that the cache spared.")),
      made_(home.metrics().make_counter("weir_artifacts_made_total", "Programs that were compiled for the cache.")),
      evicted_(home.metrics().make_counter("weir_artifacts_evicted_total",
                                           "Compiled programs that left the cache to keep its bound.")),
      limit_reached_(home.metrics().declare_limit(limit_name)),
      bytes_gauge_(home.metrics().make_gauge("weir_artifact_cache_bytes", "Bytes of compiled programs in the cache.")) {
}

artifact_cache::claim_result artifact_cache::claim(const artifact_key& key, std::uint64_t waited_for) {
    claim_result out;
    if (const auto at = kept_.find(key); at != kept_.end()) {
        by_use_.splice(by_use_.begin(), by_use_, at->second.place);
        ++counters_.found;
        found_.add();
        out.found = at->second.what;
        return out;
    }
    const auto maker = makers_.find(key);
    if (maker == makers_.end()) {
        // The maker that was waited for has failed: the next one would, too, and nobody should wait for it.
        if (waited_for != 0) return out;
        out.license = next_license_++;
        makers_.emplace(key, out.license);
    } else if (waited_for == 0 || waited_for == maker->second) {
        out.making = maker->second;
    }
    return out;
}

void artifact_cache::settle(const artifact_key& key, std::uint64_t license, artifact_pointer made) {
    const auto maker = makers_.find(key);
    WEIR_ASSERT(maker != makers_.end() && maker->second == license);
    makers_.erase(maker);
    if (!made) return;
    ++counters_.made;
    made_.add();
    if (made->bytes > bytes_max_) {
        ++counters_.not_kept;
        limit_reached_.add();
        return;
    }
    keep(key, std::move(made));
}

void artifact_cache::keep(const artifact_key& key, artifact_pointer made) {
    bytes_ += made->bytes;
    by_use_.push_front(key);
    kept_.emplace(key, kept{std::move(made), by_use_.begin()});
    while (bytes_ > bytes_max_) {
        const auto last = kept_.find(by_use_.back());
        bytes_ -= last->second.what->bytes;
        kept_.erase(last);
        by_use_.pop_back();
        ++counters_.evicted;
        evicted_.add();
        limit_reached_.add();
    }
    bytes_gauge_.set(static_cast<double>(bytes_));
}

void artifact_directory::open_part(runtime::shard& home) {
    auto& mine = parts_.at(home.id());
    WEIR_ASSERT(!mine);
    mine = std::make_unique<part>(home, bytes_max_ / parts_.size());
}

artifact_directory::part& artifact_directory::part_of(const artifact_key& key) {
    auto& found = parts_[number_of(key, 8) % parts_.size()];
    WEIR_ASSERT(found);
    return *found;
}

}  // namespace stages::worker::sandbox
