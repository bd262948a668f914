#include "stages/worker/sandbox/warm/pools.hpp"

#include <fcntl.h>

#include <algorithm>

#include "runtime/base/last_error.hpp"
#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::size_t resting_boxes = 1;                  // of each kind that was asked for
constexpr std::size_t parked_boxes_max = 4;               // of a kind whose every box has a whole interpreter
constexpr std::int64_t zygote_patience_ns = 10'000 * ms;  // to boot, or to make a child
constexpr std::int64_t zygote_trust_ns = 1'000 * ms;      // programs start cold while it has owed a child for longer
constexpr std::int64_t rest_ns = 5'000 * ms;              // after a failure to boot ahead
constexpr std::int64_t tell_pause_ns = 200 * ms;

std::int64_t now_ns() { return runtime::system_clock().steady().nanoseconds_since_start; }

// What has booted ahead may need more memory than the program before it was given; a zygote's child has yet to write to
// what it has.
std::uint64_t room_for(start_kind kind) {
    return kind == start_kind::zygote ? std::uint64_t{64} << 20 : box_group::unlimited;
}

pool_size size_for(const warm_packet& what, std::size_t most) {
    if (what.kind == start_kind::parked) most = std::min(most, parked_boxes_max);
    return {std::min(resting_boxes, most), most};
}

}  // namespace

pools::pools(const box_context& context, const broker_options& options, boxes& all, int events)
    : context_(context), options_(options), boxes_(all), events_(events) {
    add({});
}

void pools::add(warm_packet what) {
    if (pools_.contains(what.number)) return;
    const auto number = what.number;
    const auto size = size_for(what, options_.pool_max);
    pools_.emplace(number, pool{std::move(what), size, {}, {}, {}, 0, {}, {}}).first->second.now.number = number;
}

std::size_t pools::ready_in(const pool& of) const {
    const auto count = std::ranges::count_if(of.waiting, [this](auto number) { return boxes_.at(number).ready; });
    return static_cast<std::size_t>(count);
}

// One that may be used at once; end() if there is none.
boxes::iterator pools::take_ready(pool& from) {
    from.size.asked(ready_in(from), now_ns());
    const auto first = std::ranges::find_if(from.waiting, [this](auto number) { return boxes_.at(number).ready; });
    if (first == from.waiting.end()) {
        ++from.now.missed;
        return boxes_.all().end();
    }
    const auto taken = boxes_.all().find(*first);
    from.waiting.erase(first);
    ++from.now.taken;
    return taken;
}

// One that is on its way, sooner there than another that has yet to begin; end() if there is none.
boxes::iterator pools::take_begun(pool& from) {
    if (from.waiting.empty()) return boxes_.all().end();
    const auto taken = boxes_.all().find(from.waiting.front());
    from.waiting.pop_front();
    return taken;
}

runtime::result<boxes::iterator> pools::choose(launch_packet& what, const char*& step) {
    what.start = start_kind::cold;
    if (what.terminal.rows != 0 || what.network) return boxes_.make({what.terminal, what.network}, step);
    const auto warm = what.warm == 0 ? pools_.end() : pools_.find(what.warm);
    if (warm != pools_.end()) {
        const auto ready = take_ready(warm->second);
        if (ready != boxes_.all().end()) {
            what.start = warm->second.what.kind;
            return ready;
        }
    }
    auto chosen = take_ready(pools_.at(0));
    if (chosen == boxes_.all().end()) chosen = take_begun(pools_.at(0));
    if (chosen == boxes_.all().end()) {
        auto made = boxes_.make({}, step);
        if (!made) return made.error();
        chosen = *made;
    }
    // A zygote's child is there sooner than an interpreter that has yet to boot.
    if (warm != pools_.end() && bears(warm->second) && !order_program(warm->second, chosen))
        what.start = start_kind::zygote;
    return chosen;
}

// Takes what it has said; false if there is none any more. One that has booted is not listened to all the time: an
// answer for each child would wake the broker for nothing.
bool pools::hear(pool& which, std::optional<zygote>& one) {
    if (one && !one->take_reports(now_ns())) lose_zygote(which, one);
    return one.has_value();
}

// Its zygote has booted, has not owed a child for long, and nobody is there to take over.
bool pools::bears(pool& of) {
    if (!hear(of, of.mother) || !of.mother->ready()) return false;
    const bool rests = of.mother->spent() && of.successor && of.successor->ready();
    return !rests && of.mother->owes_since_ns() > now_ns() - zygote_trust_ns;
}

// Has a program of the pool's kind come into a box that waits.
runtime::error_code pools::order_program(const pool& of, boxes::iterator into) {
    box& b = into->second;
    // An interpreter that waits does so in one call.
    const int end = b.process.program_end.get();
    if (fcntl(end, F_SETFL, fcntl(end, F_GETFL) & ~O_NONBLOCK) != 0) return runtime::last_error();
    if (of.what.kind == start_kind::parked) {
        const park_packet park{of.what.executable, of.what.arguments, of.what.environment};
        if (const auto failed = send_packet(b.process.socket.get(), park, std::span(&end, 1))) return failed;
        b.process.program_end.reset();
    }
    b.pool = of.what.number;
    b.ready = false;
    b.wants_child = of.what.kind == start_kind::zygote;
    enter(b);
    return {};
}

// Without a child the box's pid 1 sees the end of its socket to it.
void pools::enter(box& b) {
    if (!b.made || !b.wants_child) return;
    b.wants_child = false;
    const auto of = pools_.find(b.pool);
    if (of != pools_.end() && of->second.mother)
        static_cast<void>(of->second.mother->make_child(context_, b.process, b.owner, b.group, now_ns()));
    b.process.program_end.reset();
}

bool pools::prepare() {
    for (auto& [number, which] : pools_)
        if (keep_zygote(which)) return true;
    if (boxes_.prepare(spares())) return true;
    return std::ranges::any_of(pools_, [this](auto& each) { return fill(each.second); });
}

bool pools::fill(pool& which) {
    if (!boxes_.has_room() || which.waiting.size() >= which.size.wanted() || now_ns() < which.rests_until_ns)
        return false;
    const bool by_zygote = which.what.number != 0 && which.what.kind == start_kind::zygote;
    if (by_zygote && !bears(which)) return false;
    const char* step = "";
    auto made = boxes_.make({}, step);
    auto failed = made ? runtime::error_code() : made.error();
    if (!failed && which.what.number != 0) {
        failed = (*made)->second.group.make_room_for(room_for(which.what.kind));
        if (!failed) failed = order_program(which, *made);
        if (failed) boxes::end((*made)->second);
    }
    if (failed) {
        which.rests_until_ns = now_ns() + rest_ns;
        return false;
    }
    which.waiting.push_back((*made)->first);
    return true;
}

// Boots a zygote where one is wanted, and another in time.
bool pools::keep_zygote(pool& which) {
    if (which.what.number == 0 || which.what.kind != start_kind::zygote || which.size.wanted() == 0) return false;
    if (now_ns() < which.rests_until_ns) return false;
    const bool renew = which.mother && which.mother->spent();
    if (renew && which.successor && which.successor->ready()) {
        if (which.mother->owes_since_ns() != INT64_MAX) {  // a moment more
            watch(events_, which.mother->socket(), key_of(watched::mother, which.what.number));
            return false;
        }
        which.mother.reset();  // and it is waited for
        which.mother = std::move(which.successor);
        which.successor.reset();
        watch(events_, which.mother->socket(), key_of(watched::mother, which.what.number), EPOLLRDHUP);
        return true;
    }
    if (which.mother && (!renew || which.successor)) return false;
    auto made = zygote::start(context_, which.what);
    if (!made) {
        which.rests_until_ns = now_ns() + rest_ns;
        which.now.problem = "cannot start a zygote: " + made.error().message();
        return false;
    }
    ++which.now.zygotes;
    auto& place = which.mother ? which.successor : which.mother;
    place.emplace(std::move(*made));
    watch(events_, place->socket(),
          key_of(&place == &which.mother ? watched::mother : watched::successor, which.what.number));
    return true;
}

void pools::read_zygote(std::uint64_t number, bool successor) {
    const auto found = pools_.find(static_cast<std::uint32_t>(number));
    if (found == pools_.end()) return;
    auto& of = successor ? found->second.successor : found->second.mother;
    if (of && hear(found->second, of) && of->ready())
        watch(events_, of->socket(), key_of(successor ? watched::successor : watched::mother, number), EPOLLRDHUP);
}

// Boxes that it owed a child see the end of their sockets.
void pools::lose_zygote(pool& which, std::optional<zygote>& lost) {
    which.now.problem = "a zygote was lost: " + lost->problem();
    // One that has never been ready will not be any better at once.
    if (!lost->ready()) which.rests_until_ns = now_ns() + rest_ns;
    lost.reset();
}

// One that has owed an answer for too long is lost.
std::int64_t pools::look_at_zygotes(pool& which, std::int64_t now) {
    std::int64_t next = INT64_MAX;
    for (auto* one : {&which.mother, &which.successor}) {
        if (!*one || (*one)->owes_since_ns() == INT64_MAX || !hear(which, *one)) continue;
        if ((*one)->owes_since_ns() == INT64_MAX) continue;  // it has answered meanwhile
        const auto patience_ends = (*one)->owes_since_ns() + zygote_patience_ns;
        if (now >= patience_ends) lose_zygote(which, *one);
        if (now < patience_ends) next = std::min(next, patience_ends);
    }
    return next;
}

std::int64_t pools::look(std::int64_t now) {
    std::int64_t next = INT64_MAX;
    boxes_.keep_at_most(spares());
    auto& of_all = pools_.at(0).now;
    of_all.kept_networks = static_cast<std::uint32_t>(boxes_.networks().kept());
    of_all.kept_groups = static_cast<std::uint32_t>(boxes_.groups().kept());
    of_all.networks_reused = boxes_.networks().reused();
    of_all.groups_reused = boxes_.groups().reused();
    for (auto& [number, which] : pools_) {
        const auto ready = ready_in(which);
        which.size.look(ready, now);
        while (which.waiting.size() > which.size.wanted()) {
            boxes::end(boxes_.at(which.waiting.back()));  // and it will be concluded like any other
            which.waiting.pop_back();
            ++which.now.ended;
        }
        next = std::min({next, which.size.due_ns(), look_at_zygotes(which, now)});
        if (which.rests_until_ns > now) next = std::min(next, which.rests_until_ns);
        which.now.ready = static_cast<std::uint32_t>(ready);
        which.now.wanted = static_cast<std::uint32_t>(which.size.wanted());
        // What is due already waits for a shard that does not read.
        if (which.now != which.told && told_ns_ + tell_pause_ns > now) next = std::min(next, told_ns_ + tell_pause_ns);
    }
    return next;
}

std::vector<pool_packet> pools::news(std::int64_t now) {
    std::vector<pool_packet> out;
    if (now < told_ns_ + tell_pause_ns) return out;
    for (auto& [number, which] : pools_) {
        if (which.now == which.told) continue;
        which.told = which.now;
        told_ns_ = now;
        out.push_back(which.now);
    }
    return out;
}

void pools::forget(std::uint64_t number, const box& b) {
    for (auto& [key, which] : pools_) {
        const auto at = std::ranges::find(which.waiting, number);
        if (at == which.waiting.end()) continue;
        which.waiting.erase(at);
        ++which.now.failed;
        which.now.problem = b.failure.empty() ? "a box that waited was killed from outside" : b.failure;
        which.rests_until_ns = now_ns() + rest_ns;
    }
}

std::size_t pools::spares() const {
    std::size_t wanted = 0;
    for (const auto& [number, which] : pools_) wanted += which.size.wanted();
    return wanted;
}

}  // namespace stages::worker::sandbox
