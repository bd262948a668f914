// Which documents no flush has made durable yet. Private to this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "storage/embedded/archive/archive_database.hpp"

namespace storage::embedded {

// The smallest key among what was written and is not durable. Written keys are remembered in groups, each of which
// counts as durable when its last one is: a few bytes for thousands of documents. A group ends where a flush begins.
class unflushed_keys {
  public:
    static constexpr archive_sequence group_span = 1U << 12;

    // A write that ended with `sequence`, which rises from call to call; `smallest` of its keys.
    void put(archive_sequence sequence, std::string smallest) {
        if (closed_ || groups_.empty() || sequence - groups_.back().first >= group_span) {
            closed_ = false;
            groups_.push_back({sequence, sequence, std::move(smallest)});
            return;
        }
        groups_.back().last = sequence;
        if (smallest < groups_.back().smallest) groups_.back().smallest = std::move(smallest);
    }

    // What is put from now on is of another group.
    void close_group() { closed_ = true; }

    // Of all that was written after `durable_through`, which never falls; nothing if that is nothing.
    std::optional<std::string> smallest(archive_sequence durable_through) {
        while (!groups_.empty() && groups_.front().last <= durable_through) groups_.pop_front();
        if (groups_.empty()) return std::nullopt;
        return std::ranges::min_element(groups_, {}, &group::smallest)->smallest;
    }

    [[nodiscard]] std::size_t groups() const { return groups_.size(); }

  private:
    struct group {
        archive_sequence first;
        archive_sequence last;
        std::string smallest;
    };
    std::deque<group> groups_;
    bool closed_ = false;
};

}  // namespace storage::embedded
