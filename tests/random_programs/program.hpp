// A random execution program: what runs in the box, what its client does meanwhile, and the request that carries it.
// The same seed makes the same program everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace random_programs {

enum class kind : std::uint8_t {
    // In the box. `number` is a count or milliseconds, `word` what is written.
    print,            // the word, `number` times, and a line's end, to standard output
    complain,         // the same to standard error
    print_binary,     // bytes that are no text, `number` times
    print_big,        // `number` bytes in one go
    split_character,  // a character of three bytes, one byte at a time
    torn_character,   // the beginning of a character whose rest never comes
    sleep,
    burn_cpu,
    fork_print,      // a child prints, and is waited for
    fork_linger,     // a child that sleeps on and holds the streams open
    write_and_read,  // through a file of the work directory
    read_input,      // the next `number` bytes of standard input, printed
    echo_argument,   // argument `number`, printed with a line's end
    at_exit,         // printed late: when the program exits by itself
    deaf,            // ignores the signals that ask for an end
    // The end of a program; without one it exits with 0.
    exit_with,
    raise,    // signal `number`, named by the word, to itself
    hang,     // sleeps for ever: until cancelled, or to its wall limit
    burn_on,  // to its CPU limit
    eat_memory,
    overflow,   // more standard output than `output_bytes`, whose policy is to kill; then it hangs
    fork_on,    // to its process limit, then exits with 9
    fill_disk,  // to its disk limit, then exits with 5
    // Of the client.
    storm,              // the first post goes out `number` times at once, under one key
    repeat_key,         // the same post again, `number` times
    other_body,         // another body under the key
    cancel_at_once,     // as soon as it is accepted
    cancel_when_ready,  // when everything before `hang` has been seen; not finished before that
    cancel_again,       // a second time, when it has ended
    resubscribe,        // drops the stream after `number` events and goes on from there
    read_again,         // the whole history once more, when it has ended
    wait_for_result,    // posts with a wish to wait, once more under the key when it has ended
};
inline constexpr std::size_t kinds = static_cast<std::size_t>(kind::wait_for_result) + 1;
std::string_view to_string(kind value);
inline bool is_of_client(kind value) { return value >= kind::storm; }
inline bool is_end(kind value) { return value >= kind::exit_with && value < kind::storm; }

struct command {
    random_programs::kind kind = kind::print;
    std::uint64_t number = 0;
    std::string word;
};

// Absent in a program: the server's default, three attempts on `infrastructure`.
struct retry {
    std::uint32_t attempts_max = 1;
    std::vector<std::string> on;
    std::uint64_t backoff_ms = 0;
};

// 0 leaves a limit at its default.
struct limits {
    std::uint64_t wall_ms = 0;
    std::uint64_t cpu_ms = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t processes = 0;
    std::uint64_t output_bytes = 0;
    std::uint64_t disk_bytes = 0;
    bool kill_on_output_limit = false;
};

struct program {
    std::uint64_t seed = 0;
    std::string lang;
    std::vector<command> commands;  // of the box, in order; an end, if there is one, is the last
    std::vector<command> client;    // in any order
    std::vector<std::string> args;
    std::string input;
    random_programs::limits limits;
    std::optional<random_programs::retry> retry;
    std::string priority;
    std::string key;  // empty: posted without one
    bool needs_enforced_limits = false;

    [[nodiscard]] const command* client_does(kind what) const;
    [[nodiscard]] bool is_cancelled() const;
};

inline constexpr std::size_t commands_max = 20;  // box and client together

program make_program(std::uint64_t seed);

// What the script of the simulated engine holds: a command a line.
std::string to_script(const std::vector<command>& commands);
std::vector<command> parse_script(std::string_view script);

}  // namespace random_programs
