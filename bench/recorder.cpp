#include "bench/recorder.hpp"

#include <algorithm>

namespace bench {
namespace {

struct named_counter {
    std::string_view name;
    std::uint64_t counters::* where;
};
constexpr std::array all_counters = {
    named_counter{"planned", &counters::planned},   named_counter{"sent", &counters::sent},
    named_counter{"accepted", &counters::accepted}, named_counter{"ended", &counters::ended},
    named_counter{"errors", &counters::errors},     named_counter{"dropped", &counters::dropped},
    named_counter{"repeated", &counters::repeated}, named_counter{"reconnects", &counters::reconnects},
    named_counter{"resumed", &counters::resumed},   named_counter{"events", &counters::events},
    named_counter{"checked", &counters::checked},   named_counter{"audited", &counters::audited}};

void add_all(std::map<std::string, std::uint64_t>& into, const std::map<std::string, std::uint64_t>& from) {
    for (const auto& [name, count] : from) into[name] += count;
}

}  // namespace

void clock_difference::observe(std::int64_t sent_us, std::int64_t stamped_us, std::int64_t answered_us) {
    low_us = std::max(low_us, stamped_us - answered_us);
    high_us = std::min(high_us, stamped_us - sent_us);
}

void clock_difference::merge(const clock_difference& other) {
    low_us = std::max(low_us, other.low_us);
    high_us = std::min(high_us, other.high_us);
}

std::int64_t clock_difference::best_us() const {
    if (!known() || (low_us <= 0 && high_us >= 0)) return 0;
    return low_us + (high_us - low_us) / 2;
}

void counters::merge(const counters& other) {
    for (const auto& one : all_counters) this->*one.where += other.*one.where;
}

void recorder::record(clock_name which, std::int64_t microseconds) {
    of(which).record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, microseconds)));
}

// What a broken server may invent has a bound.
void recorder::error(const std::string& kind) {
    ++counts.errors;
    ++errors[errors.size() < error_kinds_max || errors.contains(kind) ? kind : "other"];
}

void recorder::retry(const std::string& kind, std::uint64_t times) {
    retries[retries.size() < error_kinds_max || retries.contains(kind) ? kind : "other"] += times;
}

void recorder::merge(const recorder& other) {
    for (std::size_t i = 0; i < clocks.size(); ++i) clocks[i].merge(other.clocks[i]);
    counts.merge(other.counts);
    add_all(errors, other.errors);
    add_all(retries, other.retries);
    add_all(ends, other.ends);
    add_all(actions, other.actions);
    wrong.merge(other.wrong);
    difference.merge(other.difference);
}

json::value to_json(const histogram& from) {
    json::array buckets;
    for (std::size_t i = 0; i < from.buckets().size(); ++i)
        if (from.buckets()[i] > 0) buckets.push_back(json::array{std::uint64_t{i}, from.buckets()[i]});
    json::object out;
    out["unit"] = "us";
    out["count"] = from.count();
    out["min"] = from.min();
    out["max"] = from.max();
    out["sum"] = from.sum();
    out["buckets"] = std::move(buckets);
    return out;
}

std::optional<histogram> histogram_from_json(const json::value& from) {
    const auto* listed = json::find(from, "buckets");
    if (listed == nullptr || !listed->is_array()) return std::nullopt;
    std::vector<std::uint64_t> buckets;
    for (const auto& one : listed->get_array()) {
        if (!one.is_array() || one.get_array().size() != 2) return std::nullopt;
        const auto& pair = one.get_array();
        boost::system::error_code wrong;
        const auto index = pair[0].to_number<std::uint64_t>(wrong);
        if (wrong || index >= histogram::buckets_max) return std::nullopt;
        const auto count = pair[1].to_number<std::uint64_t>(wrong);
        if (wrong) return std::nullopt;
        if (index >= buckets.size()) buckets.resize(index + 1);
        buckets[index] += count;
    }
    histogram out;
    const bool whole = out.restore(std::move(buckets), json::count_of(from, "min"), json::count_of(from, "max"),
                                   json::count_of(from, "sum"));
    if (!whole || out.count() != json::count_of(from, "count")) return std::nullopt;
    return out;
}

json::object to_json(const counters& from) {
    json::object out;
    for (const auto& one : all_counters) out[one.name] = from.*one.where;
    return out;
}

counters counters_from_json(const json::value& from) {
    counters out;
    for (const auto& one : all_counters) out.*one.where = json::count_of(from, one.name);
    return out;
}

}  // namespace bench
