#include "tests/simulation/outside_world.hpp"

#include <algorithm>

namespace simulation_tests {

std::string fingerprint(const pipeline::event& e) {
    std::string out(pipeline::to_string(e.type));
    const auto add = [&out](auto value) { out += '|' + std::to_string(value); };
    add(e.number);
    add(e.attempt);
    add(e.time.microseconds_since_epoch);
    add(static_cast<int>(e.stream));
    add(e.offset);
    add(static_cast<int>(e.is_text));
    out += '|' + e.bytes + '|' + e.lang;
    if (e.verdict) {
        add(static_cast<int>(e.verdict->status));
        add(e.verdict->exit_code.value_or(-999));
        add(static_cast<int>(e.verdict->error_type));
    }
    return out;
}

void outside_world::program_started(execution_id id, std::uint32_t attempt) {
    if (++starts_[{id, attempt}] > 1)
        broken("P2: attempt " + std::to_string(attempt) + " of " + id.to_string() + " was started twice");
    if (attempt > 1) ++sometimes["a further attempt was started"];
}

void outside_world::acknowledged(execution_id id, const std::string& key) {
    acknowledged_.emplace(id, key);
    if (key.empty()) return;
    const auto [it, first] = by_key_.emplace(key, id);
    if (!first) ++sometimes["a key was used again"];
    if (it->second != id) broken("P2: key " + key + " gave " + it->second.to_string() + " and then " + id.to_string());
}

void outside_world::delivered(execution_id id, std::uint32_t cursor, const pipeline::event& e) {
    if (e.number != cursor + 1)
        broken("P3: " + id.to_string() + " gave event " + std::to_string(e.number) + " after " +
               std::to_string(cursor));
    const auto print = fingerprint(e);
    const auto [it, first] = events_[id].emplace(e.number, print);
    if (!first && it->second != print)
        broken("P3: event " + std::to_string(e.number) + " of " + id.to_string() + " was " + it->second + " and is " +
               print);
    if (!pipeline::is_terminal(e.type)) return;
    const auto [end, only] = terminal_.emplace(id, e.number);
    if (end->second != e.number) broken("P2: " + id.to_string() + " has two terminal events");
    if (only) ended(id, e.verdict->status);
}

void outside_world::shown(execution_id id, std::uint32_t last_event) {
    auto& most = shown_[id];
    most = std::max(most, last_event);
}

std::uint32_t outside_world::most_shown(execution_id id) const {
    const auto it = shown_.find(id);
    return std::max(last_seen(id), it == shown_.end() ? 0 : it->second);
}

bool outside_world::lost_cancellation(execution_id id) const {
    const auto events = events_.find(id);
    if (!cancelled_.contains(id) || events == events_.end()) return false;
    const auto wanted = std::string(pipeline::to_string(pipeline::event_type::execution_cancellation_requested)) + '|';
    return std::none_of(events->second.begin(), events->second.end(),
                        [&](const auto& one) { return one.second.starts_with(wanted); });
}

void outside_world::ended(execution_id id, pipeline::status how) {
    const auto [it, first] = ends_.emplace(id, how);
    if (it->second != how) broken("P2: " + id.to_string() + " ended twice, in different ways");
}

std::uint32_t outside_world::last_seen(execution_id id) const {
    const auto it = events_.find(id);
    return it == events_.end() || it->second.empty() ? 0 : it->second.rbegin()->first;
}

}  // namespace simulation_tests
