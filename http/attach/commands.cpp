#include "http/attach/commands.hpp"

#include <simdjson.h>

#include "http/api/render.hpp"
#include "pipeline/live_input.hpp"

namespace http::attach {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

std::string read_size(object from, const char* name, std::uint64_t maximum, std::uint16_t& out) {
    std::uint64_t value = 0;
    if (from[name].get(value) != simdjson::SUCCESS || value < 1 || value > maximum)
        return std::string(name) + " must be a whole number from 1 to " + std::to_string(maximum);
    out = static_cast<std::uint16_t>(value);
    return {};
}

std::string read_signal(object from, int& out) {
    std::string_view name;
    if (from["name"].get(name) == simdjson::SUCCESS) {
        for (out = 1; out < 32; ++out)
            if (pipeline::live_input::is_sendable(out) && api::signal_name(out) == name) return {};
    }
    return "name must be SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT or SIGTSTP";
}

}  // namespace

class command_reader::parser {
  public:
    simdjson::dom::parser json;
};

command_reader::command_reader() : parser_(std::make_unique<parser>()) {}
command_reader::~command_reader() = default;

std::string command_reader::read(std::string& text, command& out) {
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    object from;
    if (parser_->json.parse(text.data(), text.size(), false).get(from) != simdjson::SUCCESS)
        return "a text message must be a JSON object";
    std::string_view type;
    if (from["type"].get(type) != simdjson::SUCCESS) return "type must be resize, signal or end";
    if (type == "resize") {
        out.what = command::kind::resize;
        auto wrong = read_size(from, "rows", pipeline::terminal_rows_max, out.size.rows);
        if (wrong.empty()) wrong = read_size(from, "columns", pipeline::terminal_columns_max, out.size.columns);
        return wrong;
    }
    if (type == "signal") {
        out.what = command::kind::signal;
        return read_signal(from, out.signal);
    }
    if (type != "end") return "type must be resize, signal or end";
    out.what = command::kind::end;
    return {};
}

}  // namespace http::attach
