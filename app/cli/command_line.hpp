// What a person typed, as values. Knows nothing of servers; CLI11 stays behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace app::cli {

enum class output_format : std::uint8_t { text, json };
enum class color_choice : std::uint8_t { automatic, always, never };

using text_pairs = std::vector<std::pair<std::string, std::string>>;

struct common_options {
    std::string server = "http://127.0.0.1:8080";
    output_format output = output_format::text;
    color_choice color = color_choice::automatic;
};

struct run_command {
    std::string file;  // "-" is standard input
    std::string lang;  // empty: from the extension or the first line
    std::string lang_version;
    std::vector<std::string> arguments;
    std::string standard_input;  // a file, "-" or empty
    text_pairs limits;
    text_pairs labels;
    std::string priority;
    std::string key;
    bool detach = false;
    bool interactive = false;        // standard input is typed to the program
    bool terminal = false;           // which runs on a terminal; interactive too
    std::string network;             // none, open or empty
    std::vector<std::string> allow;  // hosts that the program may reach
    std::uint16_t rows = 0;          // of it; 0: the server's default
    std::uint16_t columns = 0;
};

struct attach_command {
    std::string id;
    std::uint64_t after = 0;
};

struct logs_command {
    std::string id;
    bool follow = false;
    std::uint64_t after = 0;
};

struct show_command {
    std::string id;
};

struct list_command {
    std::string status;
    std::string lang;
    text_pairs labels;
    std::uint64_t limit = 20;
    std::string cursor;
};

struct cancel_command {
    std::vector<std::string> ids;
};

struct stuck_command {};

struct verify_command {
    std::string directory = "./data";
};

struct dump_command {
    std::string directory = "./data";
    std::optional<std::uint32_t> partition;  // none: all
    std::uint64_t from = 0;                  // offsets below are left out
};

struct repair_command {
    std::string directory = "./data";
    // Files of the log and positions in them, as a diagnosis names them.
    std::vector<std::pair<std::string, std::uint64_t>> drop_after;
};

// Whether this machine can keep the server's promises.
struct doctor_command {
    std::string directory = "./data";
};

// A running server's, or a data directory's that no server uses.
struct backup_command {
    std::string from;  // a server's address or a directory
    std::string target;
    [[nodiscard]] bool from_server() const { return from.starts_with("http://") || from.starts_with("https://"); }
};

struct restore_command {
    std::string source;
    std::string directory;
};

// The archive of a data directory that no server uses.
struct archive_command {
    std::string directory = "./data";
    bool repair = false;  // else verify
};

// The languages that this machine can run.
struct runtimes_command {
    std::string directory;  // of manifests; empty: where a server would look
};

// The load harness has a command line of its own: bench/options.hpp.
struct bench_command {
    std::vector<std::string> arguments;
};

struct version_command {};

using any_command =
    std::variant<run_command, logs_command, show_command, list_command, cancel_command, attach_command, stuck_command,
                 verify_command, dump_command, repair_command, doctor_command, backup_command, restore_command,
                 archive_command, runtimes_command, bench_command, version_command>;

struct command_line {
    common_options common;
    any_command command;
};

// Either a command, or what to print and the exit code: help (0, on standard output) or a mistake (2, on standard
// error).
struct parsed_command_line {
    std::optional<command_line> parsed;
    int exit_code = 0;
    std::string message;
};

// `arguments` without the program's name; `environment_server` is WEIR_SERVER's value, or empty.
parsed_command_line parse_command_line(std::vector<std::string> arguments, const std::string& environment_server);

}  // namespace app::cli
