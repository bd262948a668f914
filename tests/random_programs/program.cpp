#include "tests/random_programs/program.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace random_programs {
namespace {

constexpr std::array<std::string_view, kinds> names = {
    "print",         "complain",       "print_binary",   "print_big",         "split_character", "torn_character",
    "sleep",         "burn_cpu",       "fork_print",     "fork_linger",       "write_and_read",  "read_input",
    "echo_argument", "at_exit",        "deaf",           "exit_with",         "raise",           "hang",
    "burn_on",       "eat_memory",     "overflow",       "fork_on",           "fill_disk",       "storm",
    "repeat_key",    "other_body",     "cancel_at_once", "cancel_when_ready", "cancel_again",    "resubscribe",
    "read_again",    "wait_for_result"};

std::optional<kind> kind_named(std::string_view name) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<kind>(found - names.begin());
}

}  // namespace

std::string_view to_string(kind value) { return names[static_cast<std::size_t>(value)]; }

const command* program::client_does(kind what) const {
    const auto found = std::find_if(client.begin(), client.end(), [what](const command& c) { return c.kind == what; });
    return found == client.end() ? nullptr : &*found;
}

bool program::is_cancelled() const {
    return client_does(kind::cancel_at_once) != nullptr || client_does(kind::cancel_when_ready) != nullptr;
}

std::string to_script(const std::vector<command>& commands) {
    std::string out;
    for (const auto& c : commands) {
        out += to_string(c.kind);
        out += ' ' + std::to_string(c.number) + ' ' + c.word + '\n';
    }
    return out;
}

std::vector<command> parse_script(std::string_view script) {
    std::vector<command> out;
    while (!script.empty()) {
        const auto end = std::min(script.find('\n'), script.size());
        auto line = script.substr(0, end);
        script.remove_prefix(std::min(end + 1, script.size()));
        const auto space = line.find(' ');
        if (line.starts_with('#') || space == std::string_view::npos) continue;
        const auto what = kind_named(line.substr(0, space));
        if (!what) continue;
        line.remove_prefix(space + 1);
        command c;
        c.kind = *what;
        const auto number = std::from_chars(line.data(), line.data() + line.size(), c.number);
        line.remove_prefix(static_cast<std::size_t>(number.ptr - line.data()));
        if (line.starts_with(' ')) line.remove_prefix(1);
        c.word = line;
        out.push_back(std::move(c));
    }
    return out;
}

}  // namespace random_programs
