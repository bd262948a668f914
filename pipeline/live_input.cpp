#include "pipeline/live_input.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace pipeline {

live_input::live_input(runtime::shard& home, interactive_input how)
    : how_(how),
      room_(home),
      news_(home),
      metrics_(home.metrics()),
      taken_(metrics_.make_counter("weir_attach_input_bytes_total", "Bytes that attached clients typed.")),
      dropped_(metrics_.make_counter("weir_attach_dropped_bytes_total",
                                     "Bytes that clients typed and no program was given.")) {}

std::size_t live_input::offer(std::string_view bytes) {
    if (!takes_bytes() || unread_) {
        dropped_.add(bytes.size());
        return bytes.size();
    }
    const std::size_t count = std::min(bytes.size(), attach_input_bytes_max - bytes_.size());
    if (count < bytes.size()) metrics_.limit_reached("attach.input_bytes_max");
    if (count == 0) return 0;
    bytes_.append(bytes.substr(0, count));
    taken_.add(count);
    news_.notify_all();
    return count;
}

void live_input::end() {
    ended_ = true;
    news_.notify_all();
    room_.notify_all();
}

void live_input::resize(terminal_size size) {
    if (!how_.terminal) return;
    how_.terminal = size;
    resized_ = true;
    news_.notify_all();
}

bool live_input::signal(int number) {
    if (!running_ || closed_) return false;
    signals_ |= std::uint64_t{1} << number;
    news_.notify_all();
    return true;
}

void live_input::program_ended() {
    running_ = false;
    unread_ = false;
    forget();
}

void live_input::drop(std::size_t count) {
    bytes_.erase(0, count);
    room_.notify_all();
}

std::optional<terminal_size> live_input::take_resize() {
    if (!std::exchange(resized_, false)) return std::nullopt;
    return how_.terminal;
}

std::uint64_t live_input::take_signals() { return std::exchange(signals_, 0); }

void live_input::program_reads_no_more() {
    unread_ = true;
    dropped_.add(bytes_.size());
    bytes_.clear();
    room_.notify_all();
}

void live_input::close() {
    closed_ = true;
    forget();
}

void live_input::forget() {
    dropped_.add(bytes_.size());
    bytes_.clear();
    signals_ = 0;
    room_.notify_all();
    news_.notify_all();
}

bool live_input::is_sendable(int number) {
    switch (number) {
        case SIGHUP:
        case SIGINT:
        case SIGQUIT:
        case SIGKILL:
        case SIGUSR1:
        case SIGUSR2:
        case SIGTERM:
        case SIGCONT:
        case SIGTSTP: return true;
        default: return false;
    }
}

}  // namespace pipeline
