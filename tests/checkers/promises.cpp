#include "tests/checkers/promises.hpp"

#include <algorithm>
#include <array>

namespace tests {
namespace {

constexpr std::array<std::string_view, 3> first_events{"execution_requested", "execution_accepted", "execution_queued"};

constexpr std::string_view event_prefix = "execution_";

std::string short_form(const std::string& bytes) {
    constexpr std::size_t enough = 300;
    return bytes.size() <= enough ? bytes : bytes.substr(0, enough) + "…";
}

}  // namespace

bool is_terminal_event(std::string_view type) {
    constexpr std::array<std::string_view, 4> ends{"execution_completed", "execution_failed", "execution_timeout",
                                                   "execution_cancelled"};
    return std::find(ends.begin(), ends.end(), type) != ends.end();
}

void promises::acknowledged(execution_id id, const std::string& key) {
    acknowledged_.emplace(id, key);
    if (key.empty()) return;
    const auto [it, first] = by_key_.emplace(key, id);
    if (!first) ++sometimes["a key was used again"];
    if (it->second != id) broken("P2: key " + key + " gave " + it->second.to_string() + " and then " + id.to_string());
}

void promises::program_started(execution_id id, std::uint32_t attempt) {
    if (++starts_[{id, attempt}] > 1)
        broken("P2: attempt " + std::to_string(attempt) + " of " + id.to_string() + " was started twice");
    if (attempt > 1) ++sometimes["a further attempt was started"];
}

void promises::delivered(execution_id id, std::uint32_t after, const sighting& what) {
    const auto number = std::to_string(what.number);
    if (what.number != after + 1)
        broken("P3: " + id.to_string() + " gave event " + number + " after " + std::to_string(after));
    const auto [it, first] = events_[id].emplace(what.number, what);
    const auto& known = it->second;
    if (!first && (known.type != what.type || known.attempt != what.attempt || known.bytes != what.bytes))
        broken("P3: event " + number + " of " + id.to_string() + " was " + known.type + " " + short_form(known.bytes) +
               " and is " + what.type + " " + short_form(what.bytes));
    if (first) check_order(id, what);
    const auto end = terminal_.find(id);
    if (end != terminal_.end() && what.number > end->second)
        broken("P3: " + id.to_string() + " gave event " + number + " behind its end");
    if (!is_terminal_event(what.type)) return;
    const auto [terminal, only] = terminal_.emplace(id, what.number);
    if (terminal->second != what.number) broken("P2: " + id.to_string() + " has two terminal events");
    if (only) ended(id, std::string_view(what.type).substr(event_prefix.size()));
}

// Whatever was seen before, from whichever number on.
void promises::check_order(execution_id id, const sighting& what) {
    const auto at = [&] {
        return "event " + std::to_string(what.number) + " of " + id.to_string() + " is " + what.type;
    };
    if (what.number >= 1 && what.number <= first_events.size() && what.type != first_events[what.number - 1])
        broken("P3: " + at() + ", not " + std::string(first_events[what.number - 1]));
    const auto& events = events_[id];
    const auto place = events.find(what.number);
    if (place != events.begin()) {
        const auto& before = std::prev(place)->second;
        const bool next = before.type == "execution_attempt_ended" && before.number + 1 == what.number;
        if (what.attempt < before.attempt || (next && what.attempt != before.attempt + 1))
            broken("P3: " + at() + " of attempt " + std::to_string(what.attempt) + " behind attempt " +
                   std::to_string(before.attempt));
    }
    if (what.type != "execution_scheduled" && what.type != "execution_started") return;
    const auto same = [&](const auto& one) {
        return one.second.type == what.type && one.second.attempt == what.attempt && one.first != what.number;
    };
    if (std::any_of(events.begin(), events.end(), same))
        broken("P2: " + at() + " for the second time in attempt " + std::to_string(what.attempt));
}

void promises::ended(execution_id id, std::string_view status) {
    const auto [it, first] = ends_.emplace(id, status);
    if (it->second != status)
        broken("P2: " + id.to_string() + " ended twice: " + it->second + " and " + std::string(status));
}

void promises::shown(execution_id id, std::uint32_t least, std::uint32_t last_event) {
    if (last_event < least)
        broken("P3: " + id.to_string() + " has " + std::to_string(last_event) + " events and had " +
               std::to_string(least));
    auto& most = shown_[id];
    most = std::max(most, last_event);
}

void promises::not_found(execution_id id, std::string_view asked_for) {
    if (acknowledged_.contains(id))
        broken("P1: " + id.to_string() + " was acknowledged and is not found by " + std::string(asked_for));
}

void promises::at_rest() {
    for (const auto& [id, key] : acknowledged_) {
        if (!terminal_.contains(id))
            broken("P1, P4: " + id.to_string() + " was acknowledged and no end of it was seen");
        if (lost_cancellation(id)) broken("P1: the acknowledged cancellation of " + id.to_string() + " is lost");
    }
}

bool promises::lost_cancellation(execution_id id) const {
    const auto events = events_.find(id);
    if (!cancelled_.contains(id) || events == events_.end()) return false;
    return std::none_of(events->second.begin(), events->second.end(),
                        [](const auto& one) { return one.second.type == "execution_cancellation_requested"; });
}

std::uint32_t promises::last_seen(execution_id id) const {
    const auto it = events_.find(id);
    return it == events_.end() || it->second.empty() ? 0 : it->second.rbegin()->first;
}

std::uint32_t promises::most_shown(execution_id id) const {
    const auto it = shown_.find(id);
    return std::max(last_seen(id), it == shown_.end() ? 0 : it->second);
}

}  // namespace tests
