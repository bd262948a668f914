// What a server and its launcher say to each other, as bytes. Sans-I/O: encoding and decoding only; channel.hpp carries
// the packets. A packet is a 4-byte head (magic, version, type) and its fields, little-endian, strings with a 32-bit
// length. The decoder believes nothing: whatever is too long, too many, left over or cut short gives no packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "stages/worker/sandbox/channel/launcher_options.hpp"

namespace stages::worker::sandbox {

inline constexpr std::uint8_t protocol_version = 5;
inline constexpr std::size_t packet_bytes_max = 2U << 20;  // a script, its arguments and the environment
inline constexpr std::size_t arguments_max = 128;
inline constexpr std::size_t environment_max = 128;
inline constexpr std::size_t box_files_max = 80;                  // beside the script
inline constexpr std::size_t box_file_depth_max = 16;             // names in a path
inline constexpr std::size_t box_file_path_max = 255;             // bytes of a path
inline constexpr std::size_t box_file_sources_max = 2;            // descriptors that files' bytes come from
inline constexpr std::uint64_t box_files_bytes_max = 1ULL << 30;  // all together
inline constexpr std::size_t warm_runtimes_max = 32;              // kinds of programs that a broker boots ahead
inline constexpr std::size_t warm_files_max = 4 * warm_runtimes_max;
inline constexpr std::size_t channels_max = 4096;  // shards of a server

// What the box may use; all above 0.
struct box_limits {
    std::uint64_t wall_ms = 0;
    std::uint64_t cpu_ms = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t processes = 0;
    std::uint64_t disk_bytes = 0;
    friend bool operator==(const box_limits&, const box_limits&) = default;
};

// A file that lies in the work directory before the program starts.
struct box_file {
    std::string path;  // relative; see is_box_path()
    bool executable = false;
    std::uint8_t source = 0;   // which of the descriptors behind the first three holds its bytes,
    std::uint64_t offset = 0;  // from where
    std::uint64_t bytes = 0;   // and how many
    friend bool operator==(const box_file&, const box_file&) = default;
};

// Where a box that may have a network finds the way out of it, on its loopback device.
inline constexpr std::uint16_t network_port = 3128;

// Rows 0: the program has no terminal.
struct terminal_dimensions {
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
    friend bool operator==(const terminal_dimensions&, const terminal_dimensions&) = default;
};
// Relative, without empty names, "." and "..", neither too long nor too deep.
bool is_box_path(std::string_view path);

// How a program begins: executed when its launch is there; as a child of an interpreter that has booted; or as a
// process that has booted in its own box and waited there.
enum class start_kind : std::uint8_t { cold = 0, zygote, parked };

// Shard to broker, once for each: programs of this kind may be booted ahead. `kind` is zygote or parked.
struct warm_packet {
    std::uint32_t number = 0;  // from 1, at most warm_runtimes_max
    std::string name;          // for people
    start_kind kind = start_kind::zygote;
    std::string executable;
    std::vector<std::string> arguments;  // argv without what a request adds
    std::vector<std::string> environment;
    friend bool operator==(const warm_packet&, const warm_packet&) = default;
};

// Broker to pid 1 of a box: a program will be there before its launch. With a command pid 1 starts it, without it comes
// from a zygote.
struct park_packet {
    std::string executable;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    friend bool operator==(const park_packet&, const park_packet&) = default;
};

// Shard to broker, and on to pid 1 of a box: run this. Beside it travel three descriptors, standard input, output and
// error of the program, and up to two more that files' bytes come from.
struct launch_packet {
    std::uint64_t run = 0;  // chosen by the shard, never twice
    box_limits limits;
    std::string executable;                // absolute, as the box sees it
    std::vector<std::string> arguments;    // argv, the program's name included
    std::vector<std::string> environment;  // NAME=value, and nothing else gets in
    std::string file_name;                 // of the script in the work directory; no slash
    std::string file_bytes;
    std::vector<box_file> files;  // beside it
    bool keep_disk = false;       // the box's disk travels beside the ended packet
    // With one, the first three descriptors are missing, and its outer end travels beside the started packet.
    terminal_dimensions terminal;
    // With it, a socket that listens in the box's network travels beside the started packet, behind the terminal.
    bool network = false;
    // A program of this warm runtime may take its place, which knows all arguments but those from own_arguments on. 0:
    // only a cold start will do.
    std::uint32_t warm = 0;
    std::uint32_t own_arguments = 0;
    start_kind start = start_kind::cold;  // what the broker has chosen; the shard says cold
    bool unfollowed = false;  // its start is told with its end, or some milliseconds late, which wakes fewer of us
    friend bool operator==(const launch_packet&, const launch_packet&) = default;
};

// Why a tree was ended from outside.
enum class kill_reason : std::uint8_t { none = 0, cancelled, wall, cpu, memory, output };

// Shard to broker: end that tree now. For a run that has ended already it means nothing.
struct kill_packet {
    std::uint64_t run = 0;
    kill_reason why = kill_reason::none;
    friend bool operator==(const kill_packet&, const kill_packet&) = default;
};

// Shard to broker: a signal for the program's process group. For a program that has ended it means nothing.
struct signal_packet {
    std::uint64_t run = 0;
    std::uint8_t number = 0;
    friend bool operator==(const signal_packet&, const signal_packet&) = default;
};

// Broker to shard: the program has begun.
struct started_packet {
    std::uint64_t run = 0;
    start_kind start = start_kind::cold;
    friend bool operator==(const started_packet&, const started_packet&) = default;
};

enum class box_end : std::uint8_t {
    exited = 0,  // code is the exit code
    signaled,    // code is the signal
    killed,      // by the broker, for `killed_for`
    failed,      // never began, or its fate is unknown: `message` says why
};

// Broker to shard: the whole tree is gone. Numbers that could not be measured are absent.
struct ended_packet {
    std::uint64_t run = 0;
    box_end how = box_end::failed;
    std::int32_t code = 0;
    kill_reason killed_for = kill_reason::none;
    bool process_limit_hit = false;
    bool disk_limit_hit = false;
    std::uint64_t wall_us = 0;
    std::optional<std::uint64_t> cpu_us;
    std::optional<std::uint64_t> peak_memory_bytes;
    std::optional<std::uint64_t> peak_processes;
    std::string message;
    friend bool operator==(const ended_packet&, const ended_packet&) = default;
};

// Broker to shard, now and then while it changes: one pool.
struct pool_packet {
    std::uint32_t number = 0;   // of the warm runtime; 0: boxes without a program
    std::uint32_t ready = 0;    // may be taken now
    std::uint32_t wanted = 0;   // how many there shall be
    std::uint64_t taken = 0;    // since the broker began
    std::uint64_t missed = 0;   // had none ready when one was wanted
    std::uint64_t ended = 0;    // never used, since fewer were wanted
    std::uint64_t failed = 0;   // ended by themselves while they waited
    std::uint64_t zygotes = 0;  // made, those that replaced others included
    // Of the broker, said with pool 0: what is kept of boxes that have ended, and how often such was used again.
    std::uint32_t kept_networks = 0;
    std::uint32_t kept_groups = 0;
    std::uint64_t networks_reused = 0;
    std::uint64_t groups_reused = 0;
    std::string problem;  // the last one; empty if there was none
    friend bool operator==(const pool_packet&, const pool_packet&) = default;
};

// Shard to nursery, and its answer, beside which the broker's socket travels.
struct broker_wanted_packet {
    friend bool operator==(const broker_wanted_packet&, const broker_wanted_packet&) = default;
};
struct broker_here_packet {
    std::int32_t process = 0;  // 0: none could be made, `message` says why
    std::string message;
    friend bool operator==(const broker_here_packet&, const broker_here_packet&) = default;
};

// Server to nursery, the first word.
struct launcher_packet {
    launcher_options options;
    std::int32_t server = 0;     // its process
    std::uint32_t channels = 0;  // one for each shard
    friend bool operator==(const launcher_packet&, const launcher_packet&) = default;
};

// Nursery to the server, once: what this machine can enforce.
struct report_packet {
    std::uint8_t rung = 0;
    std::string problem;  // not empty: there will be no boxes
    std::vector<std::string> missing;
    friend bool operator==(const report_packet&, const report_packet&) = default;
};

using packet =
    std::variant<launch_packet, kill_packet, started_packet, ended_packet, broker_wanted_packet, broker_here_packet,
                 report_packet, signal_packet, warm_packet, park_packet, pool_packet, launcher_packet>;

std::string encode(const packet& what);
// Nothing for bytes that are no packet of this version.
std::optional<packet> decode(std::string_view bytes);

}  // namespace stages::worker::sandbox
