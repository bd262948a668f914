// A box that runs, as its shard sees it. For the parts of sandbox_worker only.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "stages/worker/output_framer.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace stages::worker::sandbox {

struct sandbox_worker::active_run {
    active_run(runtime::shard& home, const program_limits& limits)
        : kills_on_output(limits.when_output_is_full == on_output_limit::kill),
          framers{output_framer(limits.output_bytes), output_framer(limits.output_bytes)},
          changed(home) {}

    std::uint64_t number = 0;
    observer* watch = nullptr;
    bool kills_on_output;
    // Of the program's output. A pipe is waited for once there was nothing to read: of many programs, never.
    std::array<std::optional<stream>, 2> pipes;
    std::array<descriptor, 2> pipes_not_waited_for;
    std::array<output_framer, 2> framers;
    std::uint64_t output_bytes = 0;
    int readers = 0;
    bool begun = false;
    start_kind start = start_kind::cold;
    bool output_over = false;  // whatever is not in the pipes by now will never come
    std::optional<ended_packet> end;
    // Of an interactive run: what clients type goes behind `unfed`, into the terminal or this pipe.
    std::shared_ptr<pipeline::live_input> live;
    bool has_terminal = false;  // then it is the first of `pipes`, both ways, and there is no second one
    std::optional<stream> input;
    std::string unfed;
    descriptor disk;      // came with the end
    descriptor listener;  // came with the start, if it may have a network
    std::optional<network::filter> network;
    std::optional<runtime::timer_queue::ticket> overdue;
    runtime::event changed;
};

}  // namespace stages::worker::sandbox
