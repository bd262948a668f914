#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>

#include "app/cli/attach.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/follow.hpp"
#include "app/cli/program.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/typing.hpp"
#include "runtime/base/encoding.hpp"
#include "runtime/gate.hpp"
#include "runtime/spawn.hpp"
#include "runtime/with_deadline.hpp"

namespace app::cli {
namespace {

using http::client::request;
using runtime::milliseconds;
using runtime::task;

using signals = boost::asio::basic_signal_set<runtime::executor>;

// How long a second Ctrl-C is waited for after the first.
constexpr milliseconds second_interrupt{3'000};

void say(const terminal& text, std::string_view line) {
    text.error(text.paint_error(style::faint, "weir: " + std::string(line)) + "\n");
}

// SIGTERM ends this client at once, and the program goes on.
task<bool> next_interrupt(signals* from) {
    const int which = co_await from->async_wait(runtime::use_task);
    if (which == SIGTERM) std::_Exit(exit_interrupted);
    co_return true;
}

// The first interrupt leaves the program running, a second one soon after it cancels the program, a third ends this
// client at once. Nothing is buffered here, so ending the process is safe at any time.
task<void> watch_interrupts(signals* from, const session* with, std::string id) {
    co_await next_interrupt(from);
    say(with->text, "interrupted; press Ctrl-C again within 3 s to cancel the program, else it goes on:");
    say(with->text, "  weir logs -f " + id);
    const auto second =
        co_await runtime::with_deadline(with->home.time().steady() + second_interrupt, next_interrupt(from));
    if (second.has_error()) std::_Exit(exit_interrupted);
    say(with->text, "cancelling " + id);
    // A connection of its own: the follower's is busy.
    api server(with->home, with->server.server());
    const auto asked = co_await server.call(request("POST", "/api/v1/executions/" + id + "/cancel"));
    if (asked.has_error()) say(with->text, asked.error().message);
    co_await next_interrupt(from);
    std::_Exit(exit_interrupted);
}

// So that a post may be repeated when its answer is lost, and still runs once.
std::string new_key(session& with) {
    std::string bytes;
    for (int i = 0; i < 16; ++i) bytes += static_cast<char>(with.home.random().below(256));
    return "weir-run-" + runtime::hex_encode(bytes);
}

task<outcome<execution>> accept(session& with, run_command what) {
    const auto body = execute_body(what);
    if (body.has_error()) co_return body.error();
    request post("POST", "/api/v1/execute");
    post.headers.emplace_back("Content-Type", "application/json");
    post.headers.emplace_back("Idempotency-Key", what.key.empty() ? new_key(with) : what.key);
    post.body = *body;
    const auto answer = co_await with.server.call(std::move(post));
    if (answer.has_error()) co_return answer.error();
    auto accepted = parse_execution(answer->body);
    if (!accepted) co_return failure_of_answer(answer->head.status, answer->body);
    co_return std::move(*accepted);
}

void print_summary(session& with, const std::string& id, const verdict& end) {
    const auto how = style_of_status(end.status);
    with.text.error(with.text.paint_error(how, "weir: " + summary_of(end)) + " " +
                    with.text.paint_error(style::faint, "(" + id + ")") + "\n");
}

task<outcome<int>> conclude(session& with, std::string id, followed end) {
    if (!end) {
        failure lost;
        lost.message = "the event stream ended before the execution did";
        co_return lost;
    }
    if (with.options.output == output_format::json) {
        const auto result = co_await with.server.get("/api/v1/executions/" + id + "/result");
        if (result.has_error()) co_return result.error();
        with.text.out(result->body + "\n");
    }
    print_summary(with, id, *end);
    co_return exit_code_of(*end);
}

follow_options options_of(const session& with) {
    follow_options out;
    out.quiet = with.options.output == output_format::json;
    return out;
}

task<outcome<int>> follow_to_the_end(session& with, std::string id) {
    auto end = co_await follow(with, id, options_of(with));
    if (end.has_error()) co_return end.error();
    co_return co_await conclude(with, std::move(id), std::move(*end));
}

task<outcome<int>> attach_until_left(session& with, std::string id, follow_options options) {
    auto end = co_await attach(with, id, options);
    if (end.has_error()) co_return end.error();
    if (!end->detached) co_return co_await conclude(with, std::move(id), std::move(end->end));
    say(with.text, "left the program running: weir attach " + id);
    co_return exit_ok;
}

}  // namespace

task<outcome<int>> run_program(session& with, run_command what) {
    const bool detach = what.detach;
    const bool interactive = what.interactive;
    if (const auto here = window_here(); what.terminal && here) {
        what.rows = here->rows;
        what.columns = here->columns;
    }
    const auto accepted = co_await accept(with, std::move(what));
    if (accepted.has_error()) co_return accepted.error();
    const std::string id = accepted->id;
    if (detach) {
        with.text.out((with.options.output == output_format::json ? accepted->raw : id) + "\n");
        co_return exit_ok;
    }
    if (with.text.error_is_terminal() && with.options.output == output_format::text) say(with.text, "accepted " + id);

    if (interactive) co_return co_await attach_until_left(with, id, options_of(with));
    signals interrupts(with.home.get_executor(), SIGINT, SIGTERM);
    runtime::gate background(with.home);
    runtime::spawn(background, with.home, watch_interrupts(&interrupts, &with, id));
    auto end = co_await follow_to_the_end(with, id);
    interrupts.cancel();
    co_await background.close();
    co_return end;
}

task<outcome<int>> attach_to_program(session& with, attach_command what) {
    auto options = options_of(with);
    options.after = what.after;
    co_return co_await attach_until_left(with, std::move(what.id), options);
}

}  // namespace app::cli
