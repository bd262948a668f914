#include "app/cli/attach.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>

#include "app/cli/commands.hpp"
#include "app/cli/typing.hpp"
#include "http/client/backoff.hpp"
#include "http/client/error.hpp"
#include "http/client/websocket.hpp"
#include "runtime/gate.hpp"
#include "runtime/spawn.hpp"

namespace app::cli {
namespace {

using http::websocket::close_code;
using http::websocket::opcode;
using runtime::milliseconds;
using runtime::task;
using signals = boost::asio::basic_signal_set<runtime::executor>;

constexpr milliseconds call_wait{10'000};
// A connection on which nothing comes for so long is taken for dead; the server pings every 15 s.
constexpr milliseconds silence_max{45'000};
constexpr milliseconds second_interrupt{3'000};
constexpr char leave_key = '\x1d';  // Ctrl-]
constexpr int conflict = 409;

class attachment {
  public:
    attachment(session& with, std::string id, follow_options options)
        : with_(with),
          id_(std::move(id)),
          options_(options),
          follower_(with.text, options),
          socket_(with.home, with.server.server()),
          backoff_(with.home, {}),
          changed_(with.home),
          signals_(with.home.get_executor(), SIGINT, SIGTERM, SIGHUP),
          background_(with.home) {
        signals_.add(SIGWINCH);
    }

    task<outcome<attach_end>> run();

  private:
    enum class next_step { go_on, reconnect, done };

    task<outcome<attach_end>> watch();
    task<outcome<next_step>> open();
    task<outcome<next_step>> read();
    outcome<next_step> take(const http::websocket::message& said);
    outcome<next_step> broke(runtime::error_code why);
    task<void> greet();
    task<void> type();
    task<void> heed_signals();
    task<void> interrupt();
    task<bool> send(opcode what, std::string payload);
    task<void> tell_size();
    void leave();
    [[nodiscard]] runtime::steady_time in(milliseconds time) const { return with_.home.time().steady() + time; }

    session& with_;
    std::string id_;
    follow_options options_;
    event_follower follower_;
    http::client::websocket socket_;
    http::client::backoff backoff_;
    runtime::event changed_;
    signals signals_;
    typing typing_;
    raw_terminal raw_;
    bool greeted_ = false;  // this connection's first message has come
    bool has_terminal_ = false;
    bool input_ended_ = false;
    bool over_ = false;
    bool left_ = false;
    bool connected_once_ = false;
    runtime::steady_time interrupted_at_;
    runtime::gate background_;
};

task<outcome<attach_end>> attachment::run() {
    runtime::spawn(background_, with_.home, type());
    runtime::spawn(background_, with_.home, heed_signals());
    auto end = co_await watch();
    over_ = true;
    raw_.leave();
    typing_.wake();
    boost::system::error_code ignored;
    signals_.cancel(ignored);
    changed_.notify_all();
    socket_.close();
    co_await background_.close();
    co_return end;
}

task<outcome<attach_end>> attachment::watch() {
    attach_end out;
    while (true) {
        auto step = co_await open();
        if (!step.has_error() && *step == next_step::go_on) step = co_await read();
        greeted_ = false;
        if (step.has_error()) co_return step.error();
        if (left_) {
            out.detached = true;
            co_return out;
        }
        if (*step == next_step::done) break;
        co_await backoff_.pause();
    }
    out.end = follower_.end();
    if (out.end) co_return out;
    // It ended while we were away: the rest of its events is in its history.
    follow_options rest = options_;
    rest.after = follower_.last();
    auto followed_to_end = co_await follow(with_, id_, rest);
    if (followed_to_end.has_error()) co_return followed_to_end.error();
    out.end = std::move(*followed_to_end);
    co_return out;
}

outcome<attachment::next_step> attachment::broke(runtime::error_code why) {
    socket_.close();
    if (left_) return next_step::done;
    if (!connected_once_) return failure_of_network(with_.server.server(), why);
    backoff_.failed();
    if (!backoff_.is_exhausted()) return next_step::reconnect;
    failure out = failure_of_network(with_.server.server(), why);
    out.hint = "the program goes on without this client";
    return out;
}

task<outcome<attachment::next_step>> attachment::open() {
    const std::string target = "/api/v1/executions/" + id_ + "/attach?after=" + std::to_string(follower_.last());
    const auto opened = co_await socket_.open(target, in(call_wait));
    if (opened.has_value()) {
        connected_once_ = true;
        co_return next_step::go_on;
    }
    if (opened.error() != http::client::errc::refused) co_return broke(opened.error());
    const auto& answer = socket_.refusal();
    const auto why = parse_problem(answer.body);
    if (answer.head.status == conflict && why && why->code == "already_finished") co_return next_step::done;
    const bool later = answer.head.status == 429 || answer.head.status >= 500;
    backoff_.ask(http::client::retry_after(answer.head));
    if (later && connected_once_) co_return broke(opened.error());
    failure refused = failure_of_answer(answer.head.status, answer.body);
    if (why && why->code == "not_interactive") refused.hint = "weir logs -f " + id_ + " shows what it writes";
    co_return refused;
}

task<outcome<attachment::next_step>> attachment::read() {
    while (true) {
        const auto said = co_await socket_.next(in(silence_max));
        if (said.has_error()) co_return broke(said.error());
        if (said->what == opcode::text && !greeted_) {
            const auto hello = parse_attach_message(said->payload);
            greeted_ = true;
            has_terminal_ = hello && hello->has_terminal;
            co_await greet();
            backoff_.went_well();
            continue;
        }
        auto step = take(*said);
        if (step.has_error() || *step != next_step::go_on) co_return step;
    }
}

outcome<attachment::next_step> attachment::take(const http::websocket::message& said) {
    if (said.what == opcode::close) {
        if (said.why == close_code::normal) return next_step::done;
        if (said.why == close_code::policy || said.why == close_code::too_large) {
            failure out;
            out.message = "the server closed the connection: " + said.payload;
            return out;
        }
        return broke(http::client::errc::incomplete_answer);
    }
    if (said.what != opcode::text) return next_step::go_on;
    const auto control = parse_attach_message(said.payload);
    const auto taken = follower_.take(control ? control->type : std::string(), said.payload);
    if (taken.has_error()) return taken.error();
    return *taken ? next_step::done : next_step::go_on;
}

// The connection can be typed to from here on.
task<void> attachment::greet() {
    if (has_terminal_ && raw_.enter() && with_.text.error_is_terminal() && !backoff_.is_failing() &&
        follower_.last() == 0)
        with_.text.error(with_.text.paint_error(style::faint, "weir: Ctrl-] leaves the program running") + "\r\n");
    co_await tell_size();
    if (input_ended_) co_await send(opcode::text, "{\"type\":\"end\"}");
    changed_.notify_all();
}

task<bool> attachment::send(opcode what, std::string payload) {
    // A program that reads nothing is no reason to give up: the server takes our bytes when it does.
    const auto sent = co_await socket_.send(what, std::move(payload), runtime::steady_time::never());
    co_return sent.has_value();
}

task<void> attachment::tell_size() {
    const auto size = window_here();
    if (!has_terminal_ || !size) co_return;
    std::string text = "{\"type\":\"resize\",\"rows\":" + std::to_string(size->rows) +
                       ",\"columns\":" + std::to_string(size->columns) + "}";
    co_await send(opcode::text, std::move(text));
}

void attachment::leave() {
    left_ = true;
    socket_.close();
}

task<void> attachment::type() {
    while (!over_ && !input_ended_) {
        auto typed = co_await typing_.next();
        if (!typed || over_) co_return;
        const bool ended = typed->empty();
        const auto key = raw_.is_raw() ? typed->find(leave_key) : std::string::npos;
        if (key != std::string::npos) typed->resize(key);
        while (!greeted_ && !over_) co_await changed_.wait();
        if (over_) co_return;
        // What a broken connection has taken along may or may not have arrived, and is not sent twice.
        if (!typed->empty()) co_await send(opcode::binary, std::move(*typed));
        if (key != std::string::npos) {
            leave();
            co_return;
        }
        if (!ended) continue;
        input_ended_ = true;
        co_await send(opcode::text, "{\"type\":\"end\"}");
    }
}

task<void> attachment::heed_signals() {
    while (!over_) {
        boost::system::error_code failed;
        const int which = co_await signals_.async_wait(boost::asio::redirect_error(runtime::use_task, failed));
        if (failed || over_) co_return;
        if (which == SIGWINCH) {
            if (greeted_) co_await tell_size();
        } else if (which == SIGINT) {
            co_await interrupt();
        } else {
            // This client goes at once, and the program goes on.
            restore_terminal();
            std::_Exit(exit_interrupted);
        }
    }
}

// Without a terminal of its own the program gets the signal that its person meant; a second one soon after leaves it.
task<void> attachment::interrupt() {
    const auto now = with_.home.time().steady();
    const bool again = interrupted_at_.nanoseconds_since_start != 0 && now - interrupted_at_ < second_interrupt;
    if (again || !greeted_) {
        leave();
        co_return;
    }
    interrupted_at_ = now;
    with_.text.error(with_.text.paint_error(style::faint, "weir: SIGINT sent; Ctrl-C again within 3 s leaves") + "\n");
    co_await send(opcode::text, "{\"type\":\"signal\",\"name\":\"SIGINT\"}");
}

}  // namespace

task<outcome<attach_end>> attach(session& with, std::string id, follow_options options) {
    const auto path = execution_path(id);
    if (path.has_error()) co_return path.error();
    attachment one(with, std::move(id), options);
    co_return co_await one.run();
}

}  // namespace app::cli
