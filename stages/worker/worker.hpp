// What runs a program: a local sandbox, a Kubernetes pod, or nothing at all (noop). The interface is one coroutine per
// attempt; it ends with a verdict that was decided outside the program.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/live_input.hpp"
#include "pipeline/network.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/task.hpp"

namespace stages::worker {

enum class output_stream : std::uint8_t { standard_output = 0, standard_error = 1 };
enum class on_output_limit : std::uint8_t { truncate = 0, kill = 1 };

// All above 0. Bytes, milliseconds.
struct program_limits {
    std::uint64_t wall_ms = 300'000;
    std::uint64_t cpu_ms = 60'000;
    std::uint64_t memory_bytes = 256ULL << 20;
    std::uint64_t processes = 64;
    std::uint64_t output_bytes = 16ULL << 20;  // each stream
    std::uint64_t disk_bytes = 64ULL << 20;
    on_output_limit when_output_is_full = on_output_limit::truncate;
};

// A file that the program finds in its work directory.
struct input_file {
    std::string path;  // relative; see docs/languages.md for what it may be
    std::string bytes;
};

struct launch_request {
    runtime::execution_id execution;
    std::uint32_t attempt = 1;  // (execution, attempt) is started at most once
    std::string lang;
    std::string lang_version;
    std::string script;                                // becomes a file in the work directory
    std::vector<std::string> args;                     // follow the script on the command line
    std::string standard_input;                        // byte-exact, then end of file, or what `live_input` brings
    std::shared_ptr<pipeline::live_input> live_input;  // of an interactive execution, else null
    std::vector<input_file> files;
    std::vector<std::string> outputs;        // paths in the work directory; see verdict::outputs
    std::uint64_t output_each_max = 0;       // bytes of one of them,
    std::uint64_t outputs_together_max = 0;  // and of all
    bool cold = false;                       // nothing that booted ahead may take its place
    // A client waits for its end, and nobody for what comes before: that may be told some milliseconds late.
    bool unfollowed = false;
    program_limits limits;
    pipeline::network_request network;
};

// What ended the tree. The order is the precedence of api.md, section "Read".
enum class cause : std::uint8_t {
    exited,     // by itself: exit_code or signal is set
    cancelled,  // asked for by the stop token
    timeout_wall,
    timeout_cpu,
    out_of_memory,
    output_limit,    // only under on_output_limit::kill
    process_limit,   // exit was not 0 and the limit was hit
    disk_limit,      // the same
    compile_error,   // the program never began, because it could not be compiled,
    compile_limit,   // or because the compiler reached a limit of its own
    infrastructure,  // the program's fate is unknown, or it never began
};

// Null where the machine cannot measure it.
struct resource_usage {
    std::uint64_t wall_us = 0;
    std::optional<std::uint64_t> cpu_us;
    std::optional<std::uint64_t> peak_memory_bytes;
    std::optional<std::uint32_t> peak_processes;
    std::uint64_t output_bytes = 0;  // both streams, cut bytes included
};

// What is wrong with an output that was asked for.
enum class output_fault : std::uint8_t { none, not_found, not_regular, too_large, too_large_together, unreadable };

struct kept_output {
    std::string path;
    std::string bytes;
    output_fault fault = output_fault::none;
};

// How closed the box was, and how it began.
enum class limits_by : std::uint8_t { cgroup2, cgroup1, rlimit };
enum class box_start : std::uint8_t { cold, zygote, parked };
struct isolation {
    limits_by limits = limits_by::rlimit;
    box_start start = box_start::cold;
};

struct verdict {
    cause ended_by = cause::infrastructure;
    std::optional<int> exit_code;  // null when a signal ended it
    std::optional<int> signal;     // number
    std::string message;           // for people; empty if there is nothing to add
    resource_usage usage;
    bool stdout_truncated = false;
    bool stderr_truncated = false;
    std::optional<struct isolation> isolation;     // if there was a box
    std::optional<pipeline::network_use> network;  // if it asked for one
    std::vector<kept_output> outputs;              // one for each that was asked for, in order; none without a program
};

// Receives what a program does, in order. Lifetime: outlives the run.
class observer {
  public:
    virtual ~observer() = default;
    // The program has begun. Called once, before any output; not called if it never began.
    virtual runtime::task<void> started() = 0;
    // Bytes of one stream, at most 64 KiB, never empty. The worker reads no further from that stream before this
    // returns, so that whatever arrives meanwhile becomes one piece. Calls for the two streams may overlap; each
    // stream's are in order. All have returned before run() returns.
    virtual runtime::task<void> output(output_stream stream, std::string bytes) = 0;
};

// Shard: each shard has its own. Limits: the caller holds a box seat for every run in flight.
class worker {
  public:
    virtual ~worker() = default;
    // Runs one attempt to its end. A requested stop ends the whole tree (verdict `cancelled`). It never throws for
    // anything the program or the machine does: that is a verdict.
    virtual runtime::task<verdict> run(launch_request request, observer& watch, std::stop_token stop) = 0;
    // Two-phase: start before the first run; stop when no run is in flight.
    virtual runtime::task<runtime::result<void>> start() { co_return runtime::result<void>(); }
    // After start() failed: what is wrong with this machine, for people.
    [[nodiscard]] virtual std::string diagnosis() const { return {}; }
    virtual runtime::task<void> stop() { co_return; }
};

}  // namespace stages::worker
