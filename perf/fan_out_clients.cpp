// Many subscribers of one event stream, and the least that a server of such a stream could do: for perf/fan_out.
//
//   perf_fan_out_clients follow PORT PATH SUBSCRIBERS SECONDS SLOW [TEMPLATE]
//       opens SUBSCRIBERS connections (from several loopback addresses), asks for PATH on each, and counts the events
//       that arrive in SECONDS; SLOW of them read nothing. Prints "begin" when it does, and a line of JSON at the end.
//       The last burst goes into the file TEMPLATE.
//   perf_fan_out_clients raw TEMPLATE PERIOD_MS
//       listens, prints its port, and writes the template to every connection each PERIOD_MS, with the time of the
//       burst in place of the template's first timestamp; nothing else.
//
// Both use epoll and plain sockets. A delivery is one event on one connection; its delay is from the timestamp in it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view event_begins = "\nevent: ";
constexpr std::string_view timestamp_field = "\"timestamp\":\"";
constexpr std::size_t timestamp_digits = 26;  // 2026-01-31T12:00:00.000000

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

double now_ms(clockid_t clock) {
    timespec at{};
    ::clock_gettime(clock, &at);
    return static_cast<double>(at.tv_sec) * 1e3 + static_cast<double>(at.tv_nsec) / 1e6;
}

void allow_many_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

sockaddr_in loopback(std::uint32_t host, int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(0x7f000000U + host);
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    return out;
}

// Unix time of "2026-01-31T12:00:00.000000…" in milliseconds.
double parse_timestamp(std::string_view text) {
    tm parts{};
    const std::string copy(text.substr(0, timestamp_digits));
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return 0;
    return static_cast<double>(::timegm(&parts)) * 1e3 + std::strtod(rest, nullptr) * 1e3;
}

std::string write_timestamp(std::size_t digits) {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME, &at);
    tm parts{};
    ::gmtime_r(&at.tv_sec, &parts);
    std::array<char, 40> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text.data() + length, text.size() - length, ".%06ld", at.tv_nsec / 1000);
    return std::string(text.data()).substr(0, digits);
}

// How many digits the timestamp has: servers differ.
std::size_t timestamp_length(std::string_view from) {
    return std::min(from.find_first_not_of("0123456789-T:."), timestamp_digits);
}

class followers {
  public:
    followers(int port, std::string path, std::size_t count, std::size_t slow) : slow_(slow), sockets_(count) {
        epoll_ = ::epoll_create1(0);
        const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        for (std::size_t i = 0; i < count; ++i) sockets_[i] = connect_one(i, port, request);
    }

    // Reads until `end` on the steady clock, or all who read are closed. What arrives counts if `counting`.
    void read_until(double end, bool counting) {
        std::array<epoll_event, 256> ready{};
        while (true) {
            const double left = end - now_ms(CLOCK_MONOTONIC);
            if (left <= 0 || closed_ + slow_ == sockets_.size()) return;
            const int count = ::epoll_wait(epoll_, ready.data(), ready.size(), static_cast<int>(left) + 1);
            for (int i = 0; i < count; ++i) take(ready[static_cast<std::size_t>(i)].data.u32, counting);
        }
    }
    void report(double seconds, const char* template_file) {
        std::sort(delays_ms_.begin(), delays_ms_.end());
        const auto at = [this](double part) {
            if (delays_ms_.empty()) return 0.0;
            return delays_ms_[std::min(delays_ms_.size() - 1,
                                       static_cast<std::size_t>(part * static_cast<double>(delays_ms_.size())))];
        };
        std::printf(
            "{\"deliveries\": %zu, \"seconds\": %.3f, \"reads\": %zu, \"bytes\": %zu, \"closed\": %zu, "
            "\"delay_p50_ms\": %.3f, \"delay_p99_ms\": %.3f, \"delay_max_ms\": %.3f}\n",
            deliveries_, seconds, reads_, bytes_, closed_, at(0.5), at(0.99), at(1));
        if (template_file != nullptr) std::ofstream(template_file, std::ios::binary) << last_burst_;
    }

  private:
    int connect_one(std::size_t i, int port, const std::string& request) const {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        if (socket < 0) fail("socket");
        // Ports of one address are not enough for many thousands.
        const auto from = loopback(2 + static_cast<std::uint32_t>(i / 20'000), 0);
        const int on = 1;
        ::setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (::bind(socket, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) fail("bind");
        const auto to = loopback(1, port);
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
        if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) < 0) fail("send");
        if (i < slow_) return socket;
        ::fcntl(socket, F_SETFL, O_NONBLOCK);
        epoll_event what{};
        what.events = EPOLLIN;
        what.data.u32 = static_cast<std::uint32_t>(i);
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &what);
        return socket;
    }
    void take(std::size_t i, bool counting) {
        const auto count = ::recv(sockets_[i], buffer_.data(), buffer_.size(), 0);
        if (count <= 0) {
            if (count == 0 || errno != EAGAIN) {
                ++closed_;
                ::epoll_ctl(epoll_, EPOLL_CTL_DEL, sockets_[i], nullptr);
            }
            return;
        }
        if (!counting) return;
        const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
        ++reads_;
        bytes_ += bytes.size();
        std::size_t events = bytes.starts_with(event_begins.substr(1)) ? 1 : 0;
        for (auto at = bytes.find(event_begins); at != bytes.npos; at = bytes.find(event_begins, at + 1)) ++events;
        deliveries_ += events;
        if (events == 0 || reads_ % 16 != 0) return;
        const auto stamp = bytes.find(timestamp_field);
        if (stamp == bytes.npos) return;
        delays_ms_.push_back(now_ms(CLOCK_REALTIME) - parse_timestamp(bytes.substr(stamp + timestamp_field.size())));
        last_burst_ = bytes;
    }

    int epoll_ = -1;
    std::size_t slow_;
    std::vector<int> sockets_;
    std::array<char, 256 * 1024> buffer_{};
    std::size_t deliveries_ = 0;
    std::size_t reads_ = 0;
    std::size_t bytes_ = 0;
    std::size_t closed_ = 0;
    std::vector<double> delays_ms_;
    std::string last_burst_;
};

int follow(char** arguments) {
    const auto count = static_cast<std::size_t>(std::atoll(arguments[2]));
    const double seconds = std::atof(arguments[3]);
    followers all(std::atoi(arguments[0]), arguments[1], count, static_cast<std::size_t>(std::atoll(arguments[4])));
    all.read_until(now_ms(CLOCK_MONOTONIC) + 1500, false);
    std::printf("begin\n");
    std::fflush(stdout);
    const double begun = now_ms(CLOCK_MONOTONIC);
    all.read_until(begun + seconds * 1e3, true);
    all.report((now_ms(CLOCK_MONOTONIC) - begun) / 1e3, arguments[5]);
    return 0;
}

// Takes connections and their requests until none came for a while.
void take_all(int listener, std::vector<int>& sockets) {
    while (true) {
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (socket < 0) return;
        sockets.push_back(socket);
    }
}

int write_raw(char** arguments) {
    std::ifstream file(arguments[0], std::ios::binary);
    std::string burst((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto stamp = burst.find(timestamp_field) + timestamp_field.size();
    const auto digits = timestamp_length(std::string_view(burst).substr(stamp));
    const double period_ms = std::atof(arguments[1]);

    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    auto at = loopback(1, 0);
    socklen_t length = sizeof at;
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), length) != 0) fail("bind");
    ::listen(listener, 4096);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length);
    std::printf("%d\n", ntohs(at.sin_port));
    std::fflush(stdout);
    std::vector<int> sockets;
    std::size_t cut_short = 0;
    for (double next = now_ms(CLOCK_MONOTONIC);; next += period_ms) {
        take_all(listener, sockets);
        burst.replace(stamp, digits, write_timestamp(digits));
        for (const int socket : sockets)
            if (::write(socket, burst.data(), burst.size()) != static_cast<ssize_t>(burst.size())) ++cut_short;
        const double left = next + period_ms - now_ms(CLOCK_MONOTONIC);
        if (left > 0) ::usleep(static_cast<useconds_t>(left * 1e3));
        if (::getppid() == 1) return cut_short > 0 ? 1 : 0;
    }
}

}  // namespace

int main(int count, char** arguments) {
    allow_many_files();
    std::signal(SIGPIPE, SIG_IGN);
    const std::string_view what = count > 1 ? arguments[1] : "";
    if (what == "follow" && (count == 7 || count == 8)) return follow(arguments + 2);
    if (what == "raw" && count == 4) return write_raw(arguments + 2);
    std::fprintf(stderr,
                 "usage: perf_fan_out_clients follow PORT PATH SUBSCRIBERS SECONDS SLOW [TEMPLATE] | "
                 "raw TEMPLATE PERIOD_MS\n");
    return 64;
}
