// The client of one program in the simulated world: what it has done and seen outlives the server, its tasks do not.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/random_programs/prediction.hpp"
#include "tests/simulation/outside_world.hpp"

namespace random_programs {

using simulation_tests::outside_world;

enum class phase : std::uint8_t { posting, at_once, following, closing, done };

struct player {
    program what;
    prediction own;  // of an attempt that is not lost

    random_programs::phase phase = phase::posting;
    int tasks = 0;  // of the present life; 0: the next phase's may begin
    bool post_unanswered = false;
    runtime::execution_id id;
    bool accepted = false;
    std::uint64_t first_answers = 0;  // answers that were not replayed; never more than one
    std::size_t next_at_once = 0;     // of the client's commands
    bool resubscribed = false;
    bool cancellation_acknowledged = false;
    std::map<std::uint32_t, std::shared_ptr<const pipeline::event>> events;
    std::optional<pipeline::result_view> result;
    std::uint32_t attempt = 0;  // as the view says in the end

    [[nodiscard]] std::uint32_t last_event() const { return events.empty() ? 0 : events.rbegin()->first; }
    // Everything that the program writes has been seen of its present attempt.
    [[nodiscard]] bool is_ready() const;
};

// The tasks, one for each phase. Each goes as far as it can, and enters what it was told before it does the next thing.
// `outside` gets what breaks a promise. Shard: any; follow() and close() want the execution's home.
runtime::task<void> post(pipeline::engine& engine, outside_world& outside, player& mine);
runtime::task<void> act_at_once(pipeline::engine& engine, outside_world& outside, player& mine);
runtime::task<void> follow(pipeline::engine& engine, outside_world& outside, player& mine);
runtime::task<void> close(pipeline::engine& engine, outside_world& outside, player& mine);

}  // namespace random_programs
