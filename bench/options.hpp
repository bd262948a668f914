// What `weir bench …` was asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/arrivals.hpp"
#include "bench/workload.hpp"
#include "runtime/base/time.hpp"

namespace bench {

enum class bench_mode : std::uint8_t { rate, users, monkey, step, soak };
std::string_view to_string(bench_mode mode);

// How the end of an execution is seen. `stream`: its events are followed. `wait`: Prefer: wait, one call in all.
// `none`: the answer to the post is all that is awaited; what became of it is read behind the load.
enum class watch_kind : std::uint8_t { stream, wait, none };
std::string_view to_string(watch_kind watch);

enum class expectation : std::uint8_t { automatic, text, nothing, anything };

struct load_options {
    bench_mode mode = bench_mode::rate;
    std::string server = "http://127.0.0.1:8080";
    runtime::seconds duration{30};
    runtime::milliseconds warmup{0};  // at the beginning: sent and checked, not measured
    runtime::milliseconds ramp{0};
    runtime::milliseconds drain{30'000};       // behind the load: something must end within it
    runtime::milliseconds drain_max{600'000};  // and all of it must within this
    runtime::milliseconds timeout{30'000};     // of one call
    std::uint64_t seed = 0;                    // 0: from the machine
    // rate, step, soak
    double rate = 100;
    arrival_kind arrivals = arrival_kind::poisson;
    // users, monkey
    std::uint64_t users = 10;
    runtime::milliseconds think{1'000};
    bool think_varies = true;  // exponentially, with `think` as the mean
    // step
    double rate_max = 1'000'000;
    double factor = 1.5;
    std::vector<std::string> until;
    // soak
    runtime::seconds report_every{60};
    double drift_max = 1.5;
    // What is posted.
    workload_text text;
    expectation expect = expectation::automatic;
    watch_kind watch = watch_kind::stream;
    bool keys = true;
    double repeat_share = 0.01;
    double reconnect_share = 0.01;
    std::optional<std::uint64_t> audit;  // executions read again behind the load
    // The harness's own bounds.
    std::uint64_t connections_max = 256;  // of posts and reads; each open stream has one of its own beside
    std::uint64_t open_max = 100'000;     // executions under way
    double lateness_max_ms = 5;
    double cpu_max = 0.9;
    std::uint64_t shards = 1;
    std::uint64_t processes = 1;
    load_part process;   // which one this is
    std::string run_id;  // empty: made up
    std::uint64_t server_pid = 0;
    // What comes out.
    std::string ledger;
    bool repost = true;  // of verify: each key once more
    std::string json_file;
    std::string html_file;
    std::vector<std::string> fail_if;
    runtime::milliseconds progress_every{0};  // 0: a second on a terminal, ten elsewhere
    bool quiet = false;
    bool json_output = false;
};

enum class bench_action : std::uint8_t { load, verify, compare, merge, report };

struct bench_command {
    bench_action action = bench_action::load;
    load_options load;
    std::vector<std::string> files;  // of compare, merge and report
    double tolerance = 0.1;          // of compare
};

// What stands before the word `bench` on the command line, and in the environment.
struct command_defaults {
    std::string server;
    bool json_output = false;
};

struct parsed_bench_command {
    std::optional<bench_command> command;
    int exit_code = 0;
    std::string message;
};
parsed_bench_command parse_bench_command(std::vector<std::string> arguments, const command_defaults& defaults);

// "250ms", "30s", "5m", "2h", or a number of seconds.
std::optional<runtime::milliseconds> parse_duration(const std::string& text);
std::string to_text(runtime::milliseconds duration);

}  // namespace bench
