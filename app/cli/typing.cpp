#include "app/cli/typing.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include "runtime/shard.hpp"

namespace app::cli {
namespace {

constexpr std::size_t read_bytes = 16 * 1024;
constexpr std::uint16_t terminal_side_max = 1000;  // that a server takes

termios before_raw;
std::atomic<bool> changed_terminal = false;

}  // namespace

std::optional<window_size> window_here() {
    for (const int file : {STDIN_FILENO, STDOUT_FILENO}) {
        winsize window{};
        if (ioctl(file, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0) continue;
        return window_size{std::min(window.ws_row, terminal_side_max), std::min(window.ws_col, terminal_side_max)};
    }
    return std::nullopt;
}

bool raw_terminal::enter() {
    if (raw_) return true;
    if (tcgetattr(STDIN_FILENO, &before_raw) != 0) return false;
    termios raw = before_raw;
    cfmakeraw(&raw);
    changed_terminal = true;
    raw_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    return raw_;
}

void raw_terminal::leave() {
    if (raw_) restore_terminal();
    raw_ = false;
}

void restore_terminal() {
    if (changed_terminal.exchange(false)) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_raw);
}

typing::typing() : wake_fd_(eventfd(0, EFD_CLOEXEC)) {}

typing::~typing() {
    if (wake_fd_ >= 0) ::close(wake_fd_);
}

void typing::wake() {
    const std::uint64_t one = 1;
    // Full is as good as written.
    static_cast<void>(::write(wake_fd_, &one, sizeof one) == sizeof one);
}

runtime::task<std::optional<std::string>> typing::next() {
    auto read = [wake = wake_fd_]() -> std::optional<std::string> {
        std::array<pollfd, 2> ready{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{wake, POLLIN, 0}};
        while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
        }
        if (ready[1].revents != 0) return std::nullopt;
        std::string out(read_bytes, '\0');
        ssize_t n = 0;
        while ((n = ::read(STDIN_FILENO, out.data(), out.size())) < 0 && errno == EINTR) {
        }
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    };
    co_return co_await runtime::offload(std::move(read));
}

}  // namespace app::cli
