// What a broker keeps ready: boxes in which nothing runs yet, boxes in which a program of some kind has booted and
// waits for its run, and zygotes. All of it is for one use; an empty pool means to start without it, never to wait.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "stages/worker/sandbox/box/boxes.hpp"
#include "stages/worker/sandbox/warm/pool_size.hpp"
#include "stages/worker/sandbox/warm/zygote.hpp"

namespace stages::worker::sandbox {

// Owned by a broker. `events`: the epoll set in which zygotes are watched (watched::mother, watched::successor).
class pools {
  public:
    pools(const box_context& context, const broker_options& options, boxes& all, int events);

    // Programs of this kind may be booted ahead; number 0 is a box without a program.
    void add(warm_packet what);
    // The box for this launch: one that waits, or a new one. Says in `what.start` how its program comes.
    runtime::result<boxes::iterator> choose(launch_packet& what, const char*& step);
    // The box is made, and its pid 1 lets others enter: whoever is to come is told to.
    void enter(box& b);
    // A box that waited has ended by itself.
    void forget(std::uint64_t number, const box& b);
    // A zygote has said something, or has ended.
    void read_zygote(std::uint64_t pool, bool successor);

    // Makes one more thing ready; false if nothing is wanted.
    bool prepare();
    // Gives up what is too much, and says when to look again.
    std::int64_t look(std::int64_t now_ns);
    // What the shard does not know yet, at most every 200 ms.
    std::vector<pool_packet> news(std::int64_t now_ns);
    // What boxes leave as new is kept for as many as shall wait for a run.
    [[nodiscard]] std::size_t spares() const;

  private:
    // Boxes of one kind that wait for a run.
    struct pool {
        warm_packet what;  // number 0: no program
        pool_size size;
        std::deque<std::uint64_t> waiting;  // boxes, ready or on their way
        std::optional<zygote> mother;
        std::optional<zygote> successor;  // boots while the mother still bears
        std::int64_t rests_until_ns = 0;  // after a failure
        pool_packet told;                 // what the shard knows
        pool_packet now;
    };

    [[nodiscard]] std::size_t ready_in(const pool& of) const;
    boxes::iterator take_ready(pool& from);
    boxes::iterator take_begun(pool& from);
    bool hear(pool& which, std::optional<zygote>& one);
    bool bears(pool& of);
    runtime::error_code order_program(const pool& of, boxes::iterator into);
    bool fill(pool& which);
    bool keep_zygote(pool& which);
    static void lose_zygote(pool& which, std::optional<zygote>& lost);
    std::int64_t look_at_zygotes(pool& which, std::int64_t now_ns);

    const box_context& context_;
    const broker_options& options_;
    boxes& boxes_;
    int events_;
    std::map<std::uint32_t, pool> pools_;
    std::int64_t told_ns_ = 0;
};

}  // namespace stages::worker::sandbox
