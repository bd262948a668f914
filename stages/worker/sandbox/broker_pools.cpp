// What a broker keeps ready: boxes in which nothing runs yet, boxes in which a program of some kind has booted and
// waits for its run, and zygotes. All of it is for one use; an empty pool means to start without it, never to wait.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/last_error.hpp"
#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/broker.hpp"
#include "stages/worker/sandbox/terminal.hpp"

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

void broker::add_pool(warm_packet what) {
    if (pools_.contains(what.number)) return;
    const auto number = what.number;
    const auto size = size_for(what, options_.pool_max);
    pools_.emplace(number, pool{std::move(what), size, {}, {}, {}, 0, {}, {}}).first->second.now.number = number;
}

// All that is there before its first process, and that process.
runtime::error_code broker::furnish(box& b, const box_needs& needs, const char*& step) {
    const uid_t owner = context_.own_user_namespace ? mapped_uid : options_.first_uid + b.seat;
    step = "network";
    auto network = networks_.take();
    if (!network) return network.error();
    b.network = std::move(*network);
    if (needs.network) {
        auto listener = networks_.listen_in(b.network);
        if (!listener) return listener.error();
        b.listener = std::move(*listener);
        b.has_network = true;
    }
    step = "control group";
    auto group = groups_.take();
    if (!group) return group.error();
    b.group = std::move(*group);
    step = "disk";
    auto disk = make_disk(owner);
    if (!disk) return disk.error();
    b.disk = std::move(*disk);
    descriptor terminals;
    if (needs.terminal.rows != 0) {
        step = "terminal";
        auto made = make_terminal(needs.terminal, context_.own_user_namespace ? 0 : owner);
        if (!made) return made.error();
        terminals = std::move(made->mount);
        b.terminal = std::move(made->master);
        b.terminal_end = std::move(made->program);
    }
    step = "namespaces";
    auto started = start_box(context_, owner, b.disk.get(), terminals.get(), b.group, networks_, b.network);
    if (!started) return started.error();
    b.process = std::move(*started);
    return {};
}

runtime::result<broker::boxes::iterator> broker::make_box(const box_needs& needs, const char*& step) {
    box b;
    while (seats_[next_seat_ % seats_.size()]) ++next_seat_;
    b.seat =
        static_cast<std::uint32_t>(next_seat_++ % seats_.size());  // in turn, so that an id rests before it comes again
    if (const auto failed = furnish(b, needs, step)) {
        groups_.give_back(std::move(b.group), 0);
        networks_.give_back(std::move(b.network), 0);
        return failed;
    }
    seats_[b.seat] = true;
    const std::uint64_t number = next_number_++;
    const auto at = boxes_.emplace(number, std::move(b)).first;
    watch(at->second.process.socket.get(), key_of(watched::reports, number));
    watch(at->second.process.handle.get(), key_of(watched::handle, number));
    return at;
}

// One that may be used at once; end() if there is none.
broker::boxes::iterator broker::take_ready(pool& from) {
    const auto ready = std::ranges::count_if(from.waiting, [this](auto number) { return boxes_.at(number).ready; });
    from.size.asked(static_cast<std::size_t>(ready), now_ns());
    const auto first = std::ranges::find_if(from.waiting, [this](auto number) { return boxes_.at(number).ready; });
    if (first == from.waiting.end()) {
        ++from.now.missed;
        return boxes_.end();
    }
    const auto taken = boxes_.find(*first);
    from.waiting.erase(first);
    ++from.now.taken;
    return taken;
}

// One that is on its way, sooner there than another that has yet to begin; end() if there is none.
broker::boxes::iterator broker::take_begun(pool& from) {
    if (from.waiting.empty()) return boxes_.end();
    const auto taken = boxes_.find(from.waiting.front());
    from.waiting.pop_front();
    return taken;
}

runtime::result<broker::boxes::iterator> broker::choose_box(launch_packet& what, const char*& step) {
    what.start = start_kind::cold;
    if (what.terminal.rows != 0 || what.network) return make_box({what.terminal, what.network}, step);
    const auto warm = what.warm == 0 ? pools_.end() : pools_.find(what.warm);
    if (warm != pools_.end()) {
        const auto ready = take_ready(warm->second);
        if (ready != boxes_.end()) {
            what.start = warm->second.what.kind;
            return ready;
        }
    }
    auto chosen = take_ready(pools_.at(0));
    if (chosen == boxes_.end()) chosen = take_begun(pools_.at(0));
    if (chosen == boxes_.end()) {
        auto made = make_box({}, step);
        if (!made) return made.error();
        chosen = *made;
    }
    // A zygote's child is there sooner than an interpreter that has yet to boot.
    if (warm != pools_.end() && bears(warm->second) && !order_program(warm->second, chosen))
        what.start = start_kind::zygote;
    return chosen;
}

// Its zygote has booted, and has not owed a child for long.
bool broker::bears(const pool& of) {
    return of.mother && of.mother->ready() && of.mother->owes_since_ns() > now_ns() - zygote_trust_ns;
}

// Has a program of the pool's kind come into a box that waits.
runtime::error_code broker::order_program(pool& of, boxes::iterator into) {
    box& b = into->second;
    auto ends = make_channel();
    if (!ends) return ends.error();
    // An interpreter that waits does so in one call.
    const int blocking = fcntl((*ends)[1].get(), F_GETFL) & ~O_NONBLOCK;
    if (fcntl((*ends)[1].get(), F_SETFL, blocking) != 0) return runtime::last_error();
    park_packet park;
    std::vector<int> files{(*ends)[0].get()};
    if (of.what.kind == start_kind::parked) {
        park = {of.what.executable, of.what.arguments, of.what.environment};
        files.push_back((*ends)[1].get());
    }
    if (const auto failed = send_packet(b.process.socket.get(), park, files)) return failed;
    b.pool = of.what.number;
    b.ready = false;
    if (of.what.kind == start_kind::zygote) b.program_end = std::move((*ends)[1]);
    order_child(b);
    return {};
}

// A zygote's child, once the box is made. Without one the box's pid 1 sees the end of its socket to it.
void broker::order_child(box& b) {
    if (!b.made || !b.program_end) return;
    const auto of = pools_.find(b.pool);
    const uid_t owner = context_.own_user_namespace ? mapped_uid : options_.first_uid + b.seat;
    if (of != pools_.end() && of->second.mother)
        static_cast<void>(
            of->second.mother->make_child(context_, b.process, owner, b.group, b.program_end.get(), now_ns()));
    b.program_end.reset();
}

// True if there was something to do, and more events may have come meanwhile.
bool broker::prepare_next() {
    groups_.remove_left();
    for (auto& [number, which] : pools_)
        if (keep_zygote(which)) return true;
    if (networks_.prepare(spares_max() + 1)) return true;
    for (auto& [number, which] : pools_)
        if (fill(which)) return true;
    return false;
}

// For boxes that nobody has asked for.
bool broker::has_room() const { return boxes_.size() + options_.boxes_max < seats_.size(); }

bool broker::fill(pool& which) {
    if (!has_room() || which.waiting.size() >= which.size.wanted() || now_ns() < which.rests_until_ns) return false;
    const bool by_zygote = which.what.number != 0 && which.what.kind == start_kind::zygote;
    if (by_zygote && !bears(which)) return false;
    const char* step = "";
    auto made = make_box({}, step);
    auto failed = made ? runtime::error_code() : made.error();
    if (!failed && which.what.number != 0) {
        failed = (*made)->second.group.make_room_for(room_for(which.what.kind));
        if (!failed) failed = order_program(which, *made);
        if (failed) give_up((*made)->first);
    }
    if (failed) {
        which.rests_until_ns = now_ns() + rest_ns;
        return false;
    }
    which.waiting.push_back((*made)->first);
    return true;
}

// Boots a zygote where one is wanted, and another in time.
bool broker::keep_zygote(pool& which) {
    if (which.what.number == 0 || which.what.kind != start_kind::zygote || which.size.wanted() == 0) return false;
    if (now_ns() < which.rests_until_ns) return false;
    const bool renew = which.mother && which.mother->spent();
    if (renew && which.successor && which.successor->ready()) {
        if (which.mother->owes_since_ns() != INT64_MAX) return false;  // a moment more
        which.mother = std::move(which.successor);
        which.successor.reset();
        watch(which.mother->socket(), key_of(watched::mother, which.what.number));
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
    watch(place->socket(), key_of(&place == &which.mother ? watched::mother : watched::successor, which.what.number));
    return true;
}

void broker::read_zygote(pool& which, bool successor) {
    auto& of = successor ? which.successor : which.mother;
    if (of && !of->take_reports(now_ns())) lose_zygote(which, of);
}

// Boxes that it owed a child see the end of their sockets.
void broker::lose_zygote(pool& which, std::optional<zygote>& lost) {
    which.now.problem = "a zygote was lost: " + lost->problem();
    // One that has never been ready will not be any better at once.
    if (!lost->ready()) which.rests_until_ns = now_ns() + rest_ns;
    lost.reset();
}

// Gives up what is too much, and says when to look again.
std::int64_t broker::look_at_pools(std::int64_t now) {
    std::int64_t next = INT64_MAX;
    keep_no_more_spares();
    for (auto& [number, which] : pools_) {
        const auto ready = std::ranges::count_if(which.waiting, [this](auto n) { return boxes_.at(n).ready; });
        which.size.look(static_cast<std::size_t>(ready), now);
        next = std::min(next, which.size.due_ns());
        while (which.waiting.size() > which.size.wanted()) {
            const auto surplus = which.waiting.back();
            which.waiting.pop_back();
            give_up(surplus);
            ++which.now.ended;
        }
        for (auto* one : {&which.mother, &which.successor}) {
            if (!*one || (*one)->owes_since_ns() == INT64_MAX) continue;
            const auto patience_ends = (*one)->owes_since_ns() + zygote_patience_ns;
            if (now >= patience_ends) lose_zygote(which, *one);
            if (now < patience_ends) next = std::min(next, patience_ends);
        }
        if (which.rests_until_ns > now) next = std::min(next, which.rests_until_ns);
        which.now.ready = static_cast<std::uint32_t>(ready);
        which.now.wanted = static_cast<std::uint32_t>(which.size.wanted());
        if (which.now != which.told) next = std::min(next, pools_told_ns_ + tell_pause_ns);
    }
    if (now >= pools_told_ns_ + tell_pause_ns) tell_of_pools(now);
    return next;
}

void broker::tell_of_pools(std::int64_t now) {
    if (!unsent_.empty()) return;  // verdicts first, and no more than the shard takes
    for (auto& [number, which] : pools_) {
        if (which.now == which.told) continue;
        which.told = which.now;
        pools_told_ns_ = now;
        send(which.now);
    }
}

// A box that waited has ended by itself.
void broker::forget_waiting(std::uint64_t number, const box& b) {
    for (auto& [key, which] : pools_) {
        const auto at = std::ranges::find(which.waiting, number);
        if (at == which.waiting.end()) continue;
        which.waiting.erase(at);
        ++which.now.failed;
        which.now.problem = b.failure.empty() ? "a box that waited was killed from outside" : b.failure;
        which.rests_until_ns = now_ns() + rest_ns;
    }
}

// It will be concluded like any other.
void broker::give_up(std::uint64_t number) {
    box& b = boxes_.at(number);
    b.group.hasten();
    syscall(SYS_pidfd_send_signal, b.process.handle.get(), SIGKILL, nullptr, 0);
}

// What boxes leave as new is kept for as many as shall wait for a run.
std::size_t broker::spares_max() const {
    std::size_t wanted = 0;
    for (const auto& [number, which] : pools_) wanted += which.size.wanted();
    return wanted;
}

void broker::keep_no_more_spares() {
    // One network is always there: it is what a box takes longest to make.
    networks_.keep_at_most(std::max<std::size_t>(1, spares_max()));
    groups_.keep_at_most(spares_max());
    auto& now = pools_.at(0).now;
    now.kept_networks = static_cast<std::uint32_t>(networks_.kept());
    now.kept_groups = static_cast<std::uint32_t>(groups_.kept());
    now.networks_reused = networks_.reused();
    now.groups_reused = groups_.reused();
}

}  // namespace stages::worker::sandbox
