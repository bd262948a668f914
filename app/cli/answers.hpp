// The server's JSON as values. Unknown fields and event types are ignored, absent ones are empty: a newer server may
// say more than this client knows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app::cli {

struct usage {
    std::optional<double> wall_seconds;
    std::optional<double> cpu_seconds;
    std::optional<std::uint64_t> peak_memory_kb;
};

struct verdict {
    std::string status;
    std::optional<std::int64_t> exit_code;
    std::string signal;
    std::string error_type;
    std::string error_message;
    usage resources;
    bool stdout_truncated = false;
    bool stderr_truncated = false;
};

struct execution {
    std::string id;
    std::string status;
    std::string lang;
    std::string lang_version;
    std::string priority;
    std::vector<std::pair<std::string, std::string>> labels;
    std::uint64_t attempt = 0;
    std::string created_at;
    std::string started_at;
    std::string finished_at;
    std::uint64_t last_event = 0;
    std::optional<std::uint64_t> queue_position;
    std::string raw;  // as the server wrote it
};

struct execution_page {
    std::vector<execution> items;
    std::string next_cursor;
};

struct stream_event {
    std::uint64_t number = 0;
    std::string type;
    std::uint64_t attempt = 0;
    std::string stream;  // of execution_output
    std::uint64_t offset = 0;
    std::string bytes;
    std::optional<verdict> end;  // of a terminal event or the end of an attempt
};

// What an attached client is told beside events.
struct attach_message {
    std::string type;
    bool has_terminal = false;  // of "attached"
};

struct problem_field {
    std::string pointer;
    std::string code;
    std::string detail;
};
struct problem {
    std::string code;
    std::string title;
    std::string detail;
    std::string limit;
    std::vector<problem_field> errors;
};

struct stuck_item {
    std::string id;
    std::string status;
    std::string why;
};

struct backup_item {
    std::string path;
    std::uint64_t bytes = 0;
};
struct backup_list {
    std::string id;
    std::string created_at;
    std::vector<backup_item> files;
};

bool is_terminal_status(std::string_view status);

// Nothing when the text is not what it should be.
std::optional<execution> parse_execution(std::string_view json);
std::optional<execution_page> parse_execution_page(std::string_view json);
std::optional<stream_event> parse_stream_event(std::string_view json);
// Nothing for an event.
std::optional<attach_message> parse_attach_message(std::string_view json);
std::optional<problem> parse_problem(std::string_view json);
std::optional<std::vector<stuck_item>> parse_stuck(std::string_view json);
std::optional<backup_list> parse_backup(std::string_view json);

}  // namespace app::cli
