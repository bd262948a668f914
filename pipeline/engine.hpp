// The engine as the front door sees it: everything a client may ask for. Implemented by engine_service (this folder) on
// top of partitions; faked in the tests of http/.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/failure.hpp"
#include "pipeline/network.hpp"
#include "pipeline/principal.hpp"
#include "runtime/base/boxed.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/base/time.hpp"
#include "runtime/task.hpp"

namespace pipeline {

using runtime::execution_id;
using runtime::task;

enum class status : std::uint8_t { queued, scheduled, running, completed, failed, timeout, cancelled };
enum class priority : std::uint8_t { critical, high, normal, low, background };
enum class stream : std::uint8_t { standard_output, standard_error };

// Null is `none`. The names are those of the contract.
enum class error_type : std::uint8_t {
    none,
    exit_code,
    signal,
    out_of_memory,
    output_limit,
    process_limit,
    disk_limit,
    compile_error,
    compile_limit,
    infrastructure,
    timeout_wall,
    timeout_cpu,
    stale,
    cancelled
};

// Names as in the contract, both ways; parse gives nothing for an unknown one.
std::string_view to_string(status value);
std::string_view to_string(priority value);
std::string_view to_string(error_type value);  // "" for none
std::string_view to_string(stream value);      // "stdout", "stderr"
std::optional<status> parse_status(std::string_view name);
std::optional<priority> parse_priority(std::string_view name);
std::optional<error_type> parse_error_type(std::string_view name);
inline bool is_terminal(status value) { return value >= status::completed; }

// Of a request's files and outputs, and of what an execution leaves; the names are those of the refusals.
inline constexpr std::size_t files_max = 64;
inline constexpr std::size_t files_bytes_max = 4U << 20;  // all together, decoded
inline constexpr std::size_t file_path_bytes_max = 255;
inline constexpr std::size_t file_path_depth_max = 16;  // names in a path
inline constexpr std::size_t outputs_max = 32;
inline constexpr std::uint64_t artifact_bytes_max = 8ULL << 20;    // each
inline constexpr std::uint64_t artifacts_bytes_max = 16ULL << 20;  // of one execution

// Of clients that type to a running program.
inline constexpr std::size_t attach_input_bytes_max = 64 * 1024;  // that wait for the program
inline constexpr std::size_t attach_clients_max = 8;              // of one execution at once
inline constexpr std::uint16_t terminal_rows_max = 1000;
inline constexpr std::uint16_t terminal_columns_max = 1000;

struct terminal_size {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
    friend bool operator==(const terminal_size&, const terminal_size&) = default;
};

// A program whose standard input stays open for clients that attach.
struct interactive_input {
    std::optional<terminal_size> terminal;  // it runs on a terminal of this size at first; else it reads a pipe
    friend bool operator==(const interactive_input&, const interactive_input&) = default;
};

// A file that lies in the work directory before the program starts.
struct input_file {
    std::string path;  // relative
    std::string bytes;
};

struct script_limits {
    std::uint64_t wall_ms = 300'000;
    std::uint64_t cpu_ms = 60'000;
    std::uint64_t memory_bytes = 256ULL << 20;
    std::uint64_t processes = 64;
    std::uint64_t output_bytes = 16ULL << 20;
    std::uint64_t disk_bytes = 64ULL << 20;
    bool kill_on_output_limit = false;
};

// The operator's maxima: a request above one is refused with the maximum's name.
struct script_limits_max {
    std::uint64_t wall_ms = 3'600'000;
    std::uint64_t cpu_ms = 3'600'000;
    std::uint64_t memory_bytes = 4ULL << 30;
    std::uint64_t processes = 1024;
    std::uint64_t output_bytes = 64ULL << 20;
    std::uint64_t disk_bytes = 1ULL << 30;
};

struct retry_policy {
    std::uint32_t attempts_max = 1;  // 1 to 10
    std::vector<error_type> on;      // which ends are followed by another attempt
    std::uint64_t backoff_ms = 0;    // before the second attempt, doubled for each further one
};

// What a client posted, checked and with defaults filled in (http/api/execute_request does both).
struct script_request {
    std::string script;
    std::string lang = "python";
    std::string lang_version;
    std::vector<std::string> args;
    std::string standard_input;
    std::vector<input_file> files;
    std::vector<std::string> outputs;  // paths of what is kept when the program has ended
    std::optional<interactive_input> interactive;
    network_request network;
    bool cold_start = false;  // nothing that was made ahead of the request may run the program
    enum priority priority = priority::normal;
    script_limits limits;
    retry_policy retry;
    std::map<std::string, std::string> labels;
    std::string traceparent;
};

struct idempotency {
    std::string key;                     // as sent, without quotes
    runtime::sha256_digest body_sha256;  // of the body's bytes
};

// GET /executions/{id}, and an item of a list.
struct execution_view {
    execution_id id;
    enum status status = status::queued;
    std::string lang;
    std::string lang_version;
    enum priority priority = priority::normal;
    std::map<std::string, std::string> labels;
    std::uint32_t attempt = 1;
    runtime::utc_time created_at;
    std::optional<runtime::utc_time> started_at;
    std::optional<runtime::utc_time> finished_at;
    std::uint32_t last_event = 0;
    std::optional<std::uint64_t> queue_position;  // 1 is next; null when not queued
};

// What a program used; null where the machine cannot measure it. The front door turns it into the contract's units.
struct usage {
    std::uint64_t wall_us = 0;
    std::optional<std::uint64_t> cpu_us;
    std::optional<std::uint64_t> peak_memory_bytes;
    std::optional<std::uint32_t> peak_processes;
    std::uint64_t output_bytes = 0;
};

// What is wrong with an output that was asked for. Numbers are for ever.
enum class artifact_fault : std::uint8_t {
    none = 0,
    not_found,
    not_regular,         // no regular file, or a link led to it
    too_large,           // for artifact_bytes_max
    too_large_together,  // for artifacts_bytes_max
    unreadable
};
std::string_view to_string(artifact_fault value);  // "" for none

// An output, once the program has ended. Its number is its place among the outputs, from 1.
struct artifact_view {
    std::string path;
    std::uint64_t bytes = 0;
    artifact_fault fault = artifact_fault::none;
    friend bool operator==(const artifact_view&, const artifact_view&) = default;
};

// How closed the box was. Numbers are for ever.
enum class isolation_limits : std::uint8_t { cgroup2 = 0, cgroup1, rlimit };
enum class isolation_start : std::uint8_t { cold = 0, zygote, parked };
struct isolation_view {
    isolation_limits limits = isolation_limits::cgroup2;
    isolation_start start = isolation_start::cold;
    friend bool operator==(const isolation_view&, const isolation_view&) = default;
};
std::string_view to_string(isolation_limits value);
std::string_view to_string(isolation_start value);

// The verdict: what the terminal event and the result share.
struct verdict_view {
    enum status status = status::completed;
    std::optional<std::int32_t> exit_code;
    std::optional<std::int32_t> signal;  // number; the API shows its name
    enum error_type error_type = error_type::none;
    std::string error_message;
    std::optional<usage> resource_usage;  // null if the program never began
    bool stdout_truncated = false;
    bool stderr_truncated = false;
    // In the result, not in events.
    std::optional<isolation_view> isolation;  // null if there was no box
    runtime::boxed<network_use> network;      // null if it asked for none
    std::vector<artifact_view> artifacts;     // one for each output, in order; none if the program never began
};

// GET …/result. The streams' bytes of the last attempt.
struct result_view {
    execution_id id;
    verdict_view verdict;
    std::string standard_output;
    std::string standard_error;
    std::string lang;
    std::string lang_version;
    enum priority priority = priority::normal;
};

struct accepted {
    execution_id id;
    enum status status = status::queued;
    bool replayed = false;
    std::optional<result_view> result;  // see execute_and_wait()
};

enum class event_type : std::uint8_t {
    execution_requested,
    execution_accepted,
    execution_queued,
    execution_scheduled,
    execution_started,
    execution_output,
    execution_attempt_ended,
    execution_cancellation_requested,
    execution_completed,
    execution_failed,
    execution_timeout,
    execution_cancelled
};
std::string_view to_string(event_type value);
inline bool is_terminal(event_type value) { return value >= event_type::execution_completed; }

// One numbered fact. The front door renders it; the same event gives the same bytes for ever, so nothing here depends
// on when or from where it is read.
struct event {
    std::uint32_t number = 0;
    event_type type = event_type::execution_requested;
    std::uint32_t version = 1;
    std::uint32_t attempt = 1;
    runtime::utc_time time;
    // execution_requested
    std::string lang;
    std::string lang_version;
    enum priority priority = priority::normal;
    // execution_output: `bytes` are text if `is_text`, at `offset` in their stream
    enum stream stream = stream::standard_output;
    std::uint64_t offset = 0;
    bool is_text = true;
    std::string bytes;
    // execution_attempt_ended and the terminal ones
    std::optional<verdict_view> verdict;
};

// A subscriber's cursor. Lives on, and is used by, the execution's home shard alone.
class subscription {
  public:
    virtual ~subscription() = default;
    struct batch {
        std::vector<std::shared_ptr<const event>> events;  // in order, no gap; all durable
        bool end = false;    // the last of `events` is terminal, or everything was already read: end the stream
        bool reset = false;  // history before `events` is gone: send the present state first
    };
    // Waits for the next events, at most about `bytes_max` of output bytes (at least one event), until `deadline`: an
    // empty batch without `end` means the deadline came (send a heartbeat).
    virtual task<outcome<batch>> next(std::size_t bytes_max, runtime::steady_time deadline) = 0;
};

struct list_filter {
    std::optional<enum status> only_status;
    std::string lang;                                         // empty: any
    std::vector<std::pair<std::string, std::string>> labels;  // all must match
};

struct list_page {
    std::vector<execution_view> items;  // newest first
    std::optional<execution_id> next;   // go on strictly below this id; null at the end
};

// An unfinished execution with nothing to wait for: always a bug.
struct stuck_execution {
    execution_id id;
    enum status status = status::queued;
    std::string why;
};

struct runtime_versions {
    std::string lang;
    std::vector<std::string> versions;  // the first is the default
    std::string file_extension;
    std::string example_script;
    std::vector<std::string> own_files = {};  // names in the work directory that a request's files cannot have
};

// What the operator allows; constant for the life of the process.
struct operator_limits {
    script_limits defaults;
    script_limits_max maxima;
    std::vector<runtime_versions> runtimes;
    network_policy network;
    bool any_runtime = false;  // the noop executor accepts every pair
};

class attachment;

// Shard: one instance per shard; its calls may be made there for any execution, they travel to the home shard. Output
// commit holds for every answer: it was caused by durable records only.
class engine {
  public:
    virtual ~engine() = default;

    [[nodiscard]] virtual const operator_limits& limits() const = 0;
    // The shard that owns the execution; subscriptions are made there.
    [[nodiscard]] virtual runtime::shard& home_of(execution_id id) = 0;
    // The engine of the shard this runs on.
    [[nodiscard]] virtual engine& on(runtime::shard& home) = 0;

    virtual task<outcome<accepted>> execute(principal who, script_request request, std::optional<idempotency> key) = 0;
    // The same, and waits for the end: one journey to the execution's home, one wait for the log. The result is there
    // if the end came before the deadline, and the key was new.
    virtual task<outcome<accepted>> execute_and_wait(principal who, script_request request,
                                                     std::optional<idempotency> key, runtime::steady_time deadline) = 0;
    virtual task<outcome<execution_view>> find(principal who, execution_id id) = 0;
    // failure not_finished before the end.
    virtual task<outcome<result_view>> result_of(principal who, execution_id id) = 0;
    // The bytes of an artefact; not_found for a number that there is none of, or an output with a fault.
    virtual task<outcome<std::string>> artifact_of(principal who, execution_id id, std::uint32_t number) = 0;
    // The result when the execution has ended, nothing when the deadline came first.
    virtual task<outcome<std::optional<result_view>>> result_in_time(principal who, execution_id id,
                                                                     runtime::steady_time deadline) = 0;
    virtual task<outcome<list_page>> list(principal who, list_filter filter, std::optional<execution_id> below,
                                          std::size_t limit) = 0;
    virtual task<outcome<void>> cancel(principal who, execution_id id) = 0;
    // Shard: the execution's home. Events after number `after`; failure bad_event_number if that is beyond the last.
    // Null when the execution has ended and `after` is its last event.
    virtual task<outcome<std::unique_ptr<subscription>>> subscribe(principal who, execution_id id,
                                                                   std::uint32_t after) = 0;
    // Shard: the execution's home. The same, and a place among those who type to it. Failures: not_interactive,
    // already_finished, limited.
    virtual task<outcome<attachment>> attach(principal who, execution_id id, std::uint32_t after) = 0;
    // Of all shards.
    virtual task<std::vector<stuck_execution>> stuck() = 0;

    // Ready to take work; why not, otherwise.
    [[nodiscard]] virtual bool ready() const = 0;
    [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace pipeline
