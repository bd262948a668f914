#include "bench/server_watch.hpp"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace bench {
namespace {

using runtime::milliseconds;
using runtime::task;

constexpr milliseconds answer_max{2'000};

// The inode of the socket that listens on this port; 0 if there is none.
std::uint64_t listening_inode(const char* table, std::uint16_t port) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state, queues, timer, retransmits, user, timeout;
        std::uint64_t inode = 0;
        words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
        const auto colon = local.rfind(':');
        if (state != "0A" || colon == std::string::npos) continue;
        unsigned long found = 0;
        std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
        if (found == port) return inode;
    }
    return 0;
}

bool holds_socket(const std::string& pid, const std::string& wanted) {
    const std::string folder = "/proc/" + pid + "/fd";
    DIR* const open = opendir(folder.c_str());
    if (open == nullptr) return false;
    bool found = false;
    while (const dirent* entry = readdir(open)) {
        std::array<char, 64> target{};
        const auto size = readlink((folder + "/" + entry->d_name).c_str(), target.data(), target.size() - 1);
        if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == wanted) {
            found = true;
            break;
        }
    }
    closedir(open);
    return found;
}

}  // namespace

bool is_loopback(std::string_view host) { return host.starts_with("127.") || host == "localhost" || host == "::1"; }

std::map<std::string, double, std::less<>> parse_metrics(std::string_view text) {
    std::map<std::string, double, std::less<>> out;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const auto space = line.rfind(' ');
        if (line.empty() || line.front() == '#' || space == std::string_view::npos) continue;
        double value = 0;
        const auto digits = line.substr(space + 1);
        if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc{})
            out[std::string(line.substr(0, space))] = value;
    }
    return out;
}

std::optional<process_use> use_of_process(std::uint64_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    // The name, in parentheses, may hold anything.
    const auto behind = text.rfind(')');
    if (behind == std::string::npos) return std::nullopt;
    std::istringstream words(text.substr(behind + 1));
    std::string word;
    std::uint64_t user = 0, system = 0, pages = 0;
    for (int field = 3; words >> word && field <= 24; ++field) {
        if (field == 14) user = std::stoull(word);
        if (field == 15) system = std::stoull(word);
        if (field == 24) pages = std::stoull(word);
    }
    process_use out;
    out.cpu_seconds = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    out.rss_mib = static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
    return out;
}

std::uint64_t find_listener(std::uint16_t port) {
    std::uint64_t inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) inode = listening_inode("/proc/net/tcp6", port);
    if (inode == 0) return 0;
    const std::string wanted = "socket:[" + std::to_string(inode) + "]";
    DIR* const open = opendir("/proc");
    if (open == nullptr) return 0;
    std::uint64_t found = 0;
    while (const dirent* entry = readdir(open)) {
        const std::string name = entry->d_name;
        if (name.find_first_not_of("0123456789") != std::string::npos || !holds_socket(name, wanted)) continue;
        // A forked helper holds the socket too; the server is the older one.
        const auto pid = std::stoull(name);
        if (found == 0 || pid < found) found = pid;
    }
    closedir(open);
    return found;
}

server_watch::server_watch(runtime::shard& home, http::client::url server, std::uint64_t pid)
    : home_(home), connection_(home, std::move(server)), pid_(pid) {}

task<server_sample> server_watch::sample() {
    server_sample out;
    if (pid_ != 0) out.use = use_of_process(pid_);
    http::client::request what("GET", "/metrics");
    const auto got = co_await connection_.exchange(std::move(what), home_.time().steady() + answer_max);
    if (got.has_error() || got->head.status != 200) co_return out;
    out.metrics = parse_metrics(got->body);
    const auto queued = out.metrics.find("weir_executions_queued");
    if (queued != out.metrics.end()) out.queued = queued->second;
    co_return out;
}

task<std::string> server_watch::describe() {
    http::client::request what("GET", "/readyz?verbose");
    const auto got = co_await connection_.exchange(std::move(what), home_.time().steady() + answer_max);
    if (got.has_error()) co_return std::string();
    co_return got->body;
}

}  // namespace bench
