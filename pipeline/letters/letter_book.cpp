#include "pipeline/letters/letter_book.hpp"

#include <algorithm>

namespace pipeline::letters {

const letter_book::lane* letter_book::find(partition_id peer) const {
    const auto it = lanes_.find(peer);
    return it == lanes_.end() ? nullptr : &it->second;
}

std::uint64_t letter_book::next_number(partition_id to) const {
    const auto* const known = find(to);
    return known != nullptr ? known->sent + 1 : 1;
}

std::uint64_t letter_book::delivered_through(partition_id to) const {
    const auto* const known = find(to);
    return known != nullptr ? known->delivered : 0;
}

std::uint64_t letter_book::received_through(partition_id from) const {
    const auto* const known = find(from);
    return known != nullptr ? known->received : 0;
}

storage::offset letter_book::received_at(partition_id from) const {
    const auto* const known = find(from);
    return known != nullptr ? known->received_at : 0;
}

bool letter_book::sent(partition_id to, letter what, storage::offset at) {
    auto& lane = lanes_[to];
    lane.sent = std::max(lane.sent, what.number);
    if (what.number <= lane.delivered) return false;
    undelivered_[to].push_back({std::move(what), at});
    return true;
}

std::size_t letter_book::delivered(partition_id to, std::uint64_t through) {
    auto& lane = lanes_[to];
    lane.delivered = std::max(lane.delivered, through);
    lane.sent = std::max(lane.sent, through);
    const auto waiting = undelivered_.find(to);
    if (waiting == undelivered_.end()) return 0;
    std::size_t gone = 0;
    for (auto& letters = waiting->second; !letters.empty() && letters.front().what.number <= lane.delivered; ++gone)
        letters.pop_front();
    if (waiting->second.empty()) undelivered_.erase(waiting);
    return gone;
}

void letter_book::received(partition_id from, std::uint64_t number, storage::offset at) {
    auto& lane = lanes_[from];
    if (number < lane.received) return;
    lane.received = number;
    lane.received_at = at;
}

std::size_t letter_book::assume(const std::vector<lane_state>& lanes) {
    std::size_t gone = 0;
    for (const auto& state : lanes) {
        gone += delivered(state.peer, state.delivered);
        auto& lane = lanes_[state.peer];
        lane.sent = std::max(lane.sent, state.sent);
        lane.received = std::max(lane.received, state.received);
    }
    return gone;
}

std::vector<lane_state> letter_book::lanes() const {
    std::vector<lane_state> out;
    out.reserve(lanes_.size());
    for (const auto& [peer, lane] : lanes_) out.push_back({peer, lane.sent, lane.delivered, lane.received});
    return out;
}

std::optional<storage::offset> letter_book::oldest_undelivered() const {
    std::optional<storage::offset> oldest;
    for (const auto& [to, letters] : undelivered_) {
        const auto at = letters.front().at;
        if (!oldest || at < *oldest) oldest = at;
    }
    return oldest;
}

}  // namespace pipeline::letters
