// Commands that only read: logs, show, list, stuck; and cancel, which asks.
#include <algorithm>

#include "app/cli/commands.hpp"
#include "app/cli/follow.hpp"
#include "app/cli/terminal.hpp"
#include "http/json_writer.hpp"

namespace app::cli {
namespace {

using http::client::percent_encode;
using http::client::request;
using runtime::task;

constexpr std::uint64_t page_items_max = 1000;

failure not_understood(std::string_view what) {
    failure out;
    out.message = "the server's answer is not " + std::string(what);
    out.json = "{\"code\":\"unexpected_answer\"}";
    return out;
}

task<outcome<execution>> find_execution(session& with, std::string id) {
    const auto path = execution_path(id);
    if (path.has_error()) co_return path.error();
    const auto answer = co_await with.server.get(*path);
    if (answer.has_error()) co_return answer.error();
    auto found = parse_execution(answer->body);
    if (!found) co_return not_understood("an execution");
    co_return std::move(*found);
}

// "2026-11-21 03:04:05" of an RFC 3339 time; the contract's times are UTC.
std::string short_time(const std::string& time) {
    if (time.size() < 19) return "-";
    std::string out = time.substr(0, 19);
    out[10] = ' ';
    return out;
}

// From start to end, or to now while it runs.
std::string duration_of(const execution& from, runtime::utc_time now) {
    const auto start = parse_rfc3339_us(from.started_at);
    if (!start) return "-";
    const auto end = parse_rfc3339_us(from.finished_at).value_or(now.microseconds_since_epoch);
    return human_seconds(static_cast<double>(std::max<std::int64_t>(0, end - *start)) / 1e6);
}

std::string labels_of(const execution& from) {
    std::string out;
    for (const auto& [key, value] : from.labels) {
        if (!out.empty()) out += ' ';
        out += printable(key) + "=" + printable(value);
    }
    return out;
}

std::string list_target(const list_command& what, std::uint64_t limit, const std::string& cursor) {
    std::string out = "/api/v1/executions?limit=" + std::to_string(limit);
    if (!what.status.empty()) out += "&status=" + percent_encode(what.status);
    if (!what.lang.empty()) out += "&lang=" + percent_encode(what.lang);
    for (const auto& [key, value] : what.labels) out += "&label=" + percent_encode(key + ":" + value);
    if (!cursor.empty()) out += "&cursor=" + percent_encode(cursor);
    return out;
}

// Goes on over short pages until there are as many as were asked for, or no more.
task<outcome<execution_page>> read_list(session& with, list_command what) {
    execution_page all;
    all.next_cursor = what.cursor;
    do {
        const auto wanted = std::min<std::uint64_t>(what.limit - all.items.size(), page_items_max);
        const auto answer = co_await with.server.get(list_target(what, wanted, all.next_cursor));
        if (answer.has_error()) co_return answer.error();
        auto page = parse_execution_page(answer->body);
        if (!page) co_return not_understood("a list of executions");
        for (auto& item : page->items) all.items.push_back(std::move(item));
        all.next_cursor = page->next_cursor;
    } while (!all.next_cursor.empty() && all.items.size() < what.limit);
    co_return all;
}

std::string list_as_json(const execution_page& page) {
    std::string out = "{\"items\":[";
    for (const auto& item : page.items) {
        if (!out.ends_with('[')) out += ',';
        out += item.raw;
    }
    out += "],\"next_cursor\":";
    if (page.next_cursor.empty()) return out + "null}";
    out += '"';
    http::append_escaped(out, page.next_cursor);
    return out + "\"}";
}

std::string list_as_table(session& with, const execution_page& page) {
    std::vector<std::vector<cell>> rows{
        {{"ID"}, {"STATUS"}, {"LANG"}, {"PRIORITY"}, {"CREATED (UTC)"}, {"DURATION"}, {"LABELS"}}};
    const auto now = with.home.time().utc();
    for (const auto& item : page.items) {
        rows.push_back({{printable(item.id)},
                        {printable(item.status), style_of_status(item.status)},
                        {printable(item.lang)},
                        {printable(item.priority)},
                        {short_time(item.created_at)},
                        {duration_of(item, now)},
                        {labels_of(item)}});
    }
    return table(with.text, rows);
}

// The terminal event carries the whole verdict and none of the output, so it is read instead of the result.
task<followed> verdict_of(session& with, execution of) {
    follow_options only_last;
    only_last.quiet = true;
    only_last.after = of.last_event - 1;
    const auto end = co_await follow(with, of.id, only_last);
    if (end.has_error()) co_return followed();
    co_return *end;
}

}  // namespace

task<outcome<int>> show_logs(session& with, logs_command what) {
    const auto found = co_await find_execution(with, what.id);
    if (found.has_error()) co_return found.error();
    follow_options options;
    options.after = what.after;
    options.events_as_json = with.options.output == output_format::json;
    if (!what.follow && !is_terminal_status(found->status)) options.until = found->last_event;
    if (options.until && *options.until <= options.after) co_return exit_ok;
    const auto end = co_await follow(with, what.id, options);
    if (end.has_error()) co_return end.error();
    if (*end && what.follow && !options.events_as_json) {
        const auto how = style_of_status((*end)->status);
        with.text.error(with.text.paint_error(how, "weir: " + summary_of(**end)) + "\n");
    }
    co_return exit_ok;
}

task<outcome<int>> show_execution(session& with, show_command what) {
    const auto found = co_await find_execution(with, what.id);
    if (found.has_error()) co_return found.error();
    if (with.options.output == output_format::json) {
        with.text.out(found->raw + "\n");
        co_return exit_ok;
    }
    followed end;
    if (is_terminal_status(found->status) && found->last_event > 0) end = co_await verdict_of(with, *found);
    const auto now = with.home.time().utc();
    std::string out;
    const auto line = [&](std::string name, const std::string& value, style how = style::plain) {
        if (value.empty() || value == "-") return;
        name.resize(12, ' ');
        out += with.text.paint_out(style::faint, name) + with.text.paint_out(how, value) + "\n";
    };
    line("id", printable(found->id));
    line("status", printable(found->status), style_of_status(found->status));
    if (end) line("verdict", summary_of(*end), style_of_status(end->status));
    line("language", printable(found->lang + " " + found->lang_version));
    line("priority", printable(found->priority));
    line("labels", labels_of(*found));
    line("attempt", std::to_string(found->attempt));
    line("created", short_time(found->created_at) + " UTC");
    if (!found->started_at.empty()) line("started", short_time(found->started_at) + " UTC");
    if (!found->finished_at.empty()) line("finished", short_time(found->finished_at) + " UTC");
    line("duration", duration_of(*found, now));
    if (found->queue_position) line("queued at", std::to_string(*found->queue_position));
    line("events", std::to_string(found->last_event));
    with.text.out(out);
    co_return exit_ok;
}

task<outcome<int>> list_executions(session& with, list_command what) {
    const auto page = co_await read_list(with, what);
    if (page.has_error()) co_return page.error();
    if (with.options.output == output_format::json) {
        with.text.out(list_as_json(*page) + "\n");
        co_return exit_ok;
    }
    with.text.out(list_as_table(with, *page));
    if (with.text.error_is_terminal()) {
        if (page->items.empty()) with.text.error("weir: there are none; `weir run FILE` makes one\n");
        if (!page->next_cursor.empty())
            with.text.error("weir: there are more: --cursor " + printable(page->next_cursor) + "\n");
    }
    co_return exit_ok;
}

task<outcome<int>> cancel_executions(session& with, cancel_command what) {
    // All are asked before the first refusal is told.
    std::optional<failure> first;
    for (const std::string& id : what.ids) {
        const auto path = execution_path(id, "/cancel");
        auto answer = path.has_error() ? outcome<http::client::response>(path.error())
                                       : outcome<http::client::response>(http::client::response());
        if (path.has_value()) answer = co_await with.server.call(request("POST", *path));
        if (answer.has_error()) {
            if (first) with.text.error("weir: " + first->message + "\n");
            first = answer.error();
            first->message = printable(id) + ": " + first->message;
            continue;
        }
        if (with.options.output == output_format::json) {
            with.text.out(answer->body + "\n");
        } else {
            with.text.out(id + " cancellation requested\n");
        }
    }
    if (first) co_return std::move(*first);
    co_return exit_ok;
}

task<outcome<int>> list_stuck(session& with) {
    const auto answer = co_await with.server.get("/api/v1/admin/stuck");
    if (answer.has_error()) co_return answer.error();
    const auto items = parse_stuck(answer->body);
    if (!items) co_return not_understood("a list of stuck executions");
    const int code = items->empty() ? exit_ok : exit_run_failed;
    if (with.options.output == output_format::json) {
        with.text.out(answer->body + "\n");
        co_return code;
    }
    if (items->empty()) {
        if (with.text.error_is_terminal()) with.text.error("weir: nothing is stuck\n");
        co_return code;
    }
    std::vector<std::vector<cell>> rows{{{"ID"}, {"STATUS"}, {"WHY"}}};
    for (const auto& item : *items)
        rows.push_back({{printable(item.id)}, {printable(item.status)}, {printable(item.why)}});
    with.text.out(table(with.text, rows));
    co_return code;
}

}  // namespace app::cli
