// How clients may type to the program of an execute request.
#include "http/api/execute_fields.hpp"

namespace http::api {

void execute_fields::interactive(element at) {
    bool wanted = false;
    if (at.get(wanted) == simdjson::SUCCESS) {
        if (wanted) out_.interactive.emplace();
        return;
    }
    object holder;
    if (at.get(holder) != simdjson::SUCCESS)
        return add("/interactive", "wrong_type", "must be true, false or an object with pty");
    if (!members_in_order(holder, "/interactive")) return;
    out_.interactive.emplace();
    for (const auto member : holder) {
        if (member.key == "pty") {
            terminal(member.value);
        } else {
            add("/interactive" + token(member.key), "unknown_field", "there is no such field");
        }
    }
}

void execute_fields::terminal(element at) {
    object holder;
    if (at.get(holder) != simdjson::SUCCESS)
        return add("/interactive/pty", "wrong_type", "must be an object with rows and columns");
    if (!members_in_order(holder, "/interactive/pty")) return;
    auto& size = out_.interactive->terminal.emplace();
    for (const auto member : holder) {
        if (member.key == "rows") {
            terminal_side("rows", member.value, pipeline::terminal_rows_max, size.rows);
        } else if (member.key == "columns") {
            terminal_side("columns", member.value, pipeline::terminal_columns_max, size.columns);
        } else {
            add("/interactive/pty" + token(member.key), "unknown_field", "there is no such field");
        }
    }
}

void execute_fields::terminal_side(std::string_view name, element at, std::uint16_t maximum, std::uint16_t& out) {
    const std::string pointer = "/interactive/pty/" + std::string(name);
    std::uint64_t value = 0;
    if (!number(at, pointer, value)) return;
    if (value == 0) return add(pointer, "below_minimum", "must be above 0");
    if (value > maximum) {
        reached("terminal_" + std::string(name) + "_max", maximum);
        return add(pointer, "above_maximum",
                   at_most(maximum, std::string(name) + " (terminal_" + std::string(name) + "_max)"));
    }
    out = static_cast<std::uint16_t>(value);
}

}  // namespace http::api
