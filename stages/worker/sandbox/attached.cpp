// What clients type to a program that runs: bytes into its pipe or terminal, sizes and signals.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

#include "pipeline/live_input.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/base/last_error.hpp"
#include "runtime/spawn.hpp"
#include "runtime/with_deadline.hpp"
#include "stages/worker/sandbox/active_run.hpp"

namespace stages::worker::sandbox {

namespace asio = boost::asio;
using runtime::error_code;
using runtime::milliseconds;
using runtime::task;

namespace {

// A full terminal is looked at again after so long: it does not tell in all cases when it has room.
constexpr milliseconds look_again{20};

template <class Stream>
task<void> wait_until_writable(Stream* to) {
    error_code ignored;
    co_await to->async_wait(Stream::wait_write, asio::redirect_error(runtime::use_task, ignored));
}

// What a person at the terminal would type to end the input.
char end_key(int terminal) {
    termios now{};
    return tcgetattr(terminal, &now) == 0 ? static_cast<char>(now.c_cc[VEOF]) : '\x04';
}

}  // namespace

void sandbox_worker::attach(box_job& job, std::shared_ptr<pipeline::live_input> live) {
    job.live = std::move(live);
    const auto& terminal = job.live->how().terminal;
    if (!terminal) return;
    job.what.terminal = {terminal->rows, terminal->columns};
    const auto names_terminal = [](const std::string& variable) { return variable.starts_with("TERM="); };
    if (std::ranges::none_of(job.what.environment, names_terminal))
        job.what.environment.emplace_back("TERM=xterm-256color");
}

// The program's end of a pipe that stays open; ours goes to the run.
runtime::result<descriptor> sandbox_worker::make_live_input(active_run& run) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return runtime::last_error();
    descriptor read_end(ends[0]);
    run.input.emplace(home_.get_executor(), ends[1]);
    error_code failed;
    run.input->native_non_blocking(true, failed);
    if (failed) return failed;
    return read_end;
}

void sandbox_worker::take_terminal(active_run& run, descriptor outer_end) {
    run.pipes[0].emplace(home_.get_executor(), outer_end.release());
    error_code ignored;
    run.pipes[0]->native_non_blocking(true, ignored);
}

void sandbox_worker::begin_live(const run_pointer& run) {
    if (!run->live || (run->has_terminal && !run->pipes[0])) return;
    run->live->program_began();
    runtime::spawn(gate_, home_, feed(run));
    runtime::spawn(gate_, home_, obey_clients(run));
}

task<void> sandbox_worker::feed(run_pointer run) {
    auto& live = *run->live;
    stream& to = run->has_terminal ? *run->pipes[0] : *run->input;
    bool told_end = false;
    while (!run->end) {
        const bool first = !run->unfed.empty();
        const std::string_view bytes = first ? std::string_view(run->unfed) : live.waiting();
        if (bytes.empty()) {
            if (live.at_end() && !std::exchange(told_end, true)) {
                if (!run->has_terminal) break;
                run->unfed.push_back(end_key(to.native_handle()));
                continue;
            }
            co_await live.news().wait();
            continue;
        }
        const ssize_t n = ::write(to.native_handle(), bytes.data(), bytes.size());
        if (n > 0 && first) {
            run->unfed.erase(0, static_cast<std::size_t>(n));
        } else if (n > 0) {
            live.drop(static_cast<std::size_t>(n));
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            break;  // nobody reads it any more
        } else {
            static_cast<void>(
                co_await runtime::with_deadline(home_.time().steady() + look_again, wait_until_writable(&to)));
        }
    }
    if (!run->end && !told_end) live.program_reads_no_more();
    run->input.reset();
}

task<void> sandbox_worker::obey_clients(run_pointer run) {
    auto& live = *run->live;
    while (!run->end) {
        const auto size = live.take_resize();
        const std::uint64_t signals = live.take_signals();
        if (!size && signals == 0) {
            co_await live.news().wait();
            continue;
        }
        if (size && run->has_terminal) {
            winsize window{};
            window.ws_row = size->rows;
            window.ws_col = size->columns;
            // The kernel tells the program by SIGWINCH.
            static_cast<void>(ioctl(run->pipes[0]->native_handle(), TIOCSWINSZ, &window));
        }
        for (std::uint8_t number = 1; signals >> number != 0; ++number)
            if ((signals >> number & 1U) != 0) post(signal_packet{run->number, number});
        // Those that come while the broker does not keep up count once each.
        while (!outbox_.empty() && !run->end) co_await outbox_sent_.wait();
    }
}

}  // namespace stages::worker::sandbox
