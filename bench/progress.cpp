#include "bench/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bench {
namespace {

void write_error(std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(STDERR_FILENO, text.data(), text.size());
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

}  // namespace

std::string grouped(std::uint64_t count) {
    std::string out = std::to_string(count);
    for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
        out.insert(static_cast<std::size_t>(at), ",");
    return out;
}

std::string brief(double what) {
    if (what >= 1000) return grouped(static_cast<std::uint64_t>(std::llround(what)));
    char text[32];
    std::snprintf(text, sizeof text, what >= 100 ? "%.0f" : what >= 10 ? "%.1f" : "%.2f", what);
    return text;
}

progress::progress(bool quiet, runtime::milliseconds every)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) != 0), every_s_(static_cast<double>(every.count()) / 1000) {
    if (every_s_ == 0) every_s_ = terminal_ ? 1 : 10;
}

progress::~progress() { clear(); }

void progress::clear() {
    if (shown_) write_error("\r\x1b[K");
    shown_ = false;
}

std::string progress::line_of(const state& what) {
    const auto& now = what.now;
    std::string out = what.mode + " " + std::to_string(std::llround(now.at_s));
    if (what.of_s > 0) out += "/" + std::to_string(std::llround(what.of_s));
    out += " s  accepted " + grouped(what.counts.accepted) + " (" + brief(now.accepted_per_s) + "/s)  ended " +
           grouped(what.counts.ended) + "  open " + grouped(static_cast<std::uint64_t>(now.open));
    if (now.queued >= 0) out += "  queued " + grouped(static_cast<std::uint64_t>(now.queued));
    out += "  errors " + grouped(what.counts.errors);
    if (what.findings > 0) out += "  WRONG " + grouped(what.findings);
    if (now.accepted_p50_ms >= 0)
        out += "  accept p50 " + brief(now.accepted_p50_ms) + " p99 " + brief(now.accepted_p99_ms) + " ms";
    if (now.whole_p99_ms >= 0) out += "  whole p99 " + brief(now.whole_p99_ms) + " ms";
    out += "  cpu " + std::to_string(std::lround(now.harness_cpu * 100)) + "%";
    if (now.server_cpu >= 0) out += ", server " + std::to_string(std::lround(now.server_cpu * 100)) + "%";
    return out;
}

void progress::show(const state& what) {
    if (quiet_ || what.now.at_s + std::min(0.5, every_s_ / 2) < next_s_) return;
    if (next_s_ == 0) next_s_ = what.now.at_s;
    next_s_ += every_s_;
    std::string line = line_of(what);
    if (!terminal_) {
        write_error(line + "\n");
        return;
    }
    if (line.size() >= columns()) line.resize(columns() - 1);
    write_error("\r\x1b[K" + line);
    shown_ = true;
}

void progress::say(const std::string& line) {
    if (quiet_) return;
    clear();
    write_error(line + "\n");
}

}  // namespace bench
