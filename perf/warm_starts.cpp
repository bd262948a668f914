// Programs from POST to terminal event through the real server, warm and cold, beside the same program bare (fork and
// exec by this process), one and two in flight, in interleaved rounds of one run: only ratios within it mean something.
//
//   perf_warm_starts [--binary build/release/weir] [--rounds 6] [--count 60] [--shards 1]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/time.hpp"

namespace {

double now_ms() { return static_cast<double>(runtime::system_clock().steady().nanoseconds_since_start) / 1e6; }

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "perf_warm_starts: %s\n", why.c_str());
    std::exit(1);
}

struct series {
    std::vector<double> each_ms;
    double all_ms = 0;
    std::map<std::string, int> starts;

    double percentile(double part) {
        std::sort(each_ms.begin(), each_ms.end());
        return each_ms[std::min(each_ms.size() - 1,
                                static_cast<std::size_t>(part * static_cast<double>(each_ms.size())))];
    }
    [[nodiscard]] double rate() const { return static_cast<double>(each_ms.size()) * 1000 / all_ms; }
};

void bare(const std::vector<const char*>& command) {
    const pid_t child = fork();
    if (child == 0) {
        const int nowhere = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; ++i) dup2(nowhere, i);
        execv(command[0], const_cast<char* const*>(command.data()));
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) give_up(std::string(command[0]) + " failed");
}

// A server of this program's own, in a folder that goes with it.
class server {
  public:
    server(const std::string& binary, const std::string& shards) {
        char folder[] = "/tmp/weir-warm-starts-XXXXXX";
        if (mkdtemp(folder) == nullptr) give_up("no folder");
        folder_ = folder;
        int ends[2];
        if (pipe(ends) != 0) give_up("no pipe");
        process_ = fork();
        if (process_ == 0) {
            dup2(ends[1], 1);
            const std::string data = folder_ + "/data";
            execl(binary.c_str(), "weir", "serve", "--data", data.c_str(), "--listen", "127.0.0.1:0", "--shards",
                  shards.c_str(), nullptr);
            _exit(127);
        }
        close(ends[1]);
        std::string said;
        char c = 0;
        while (read(ends[0], &c, 1) == 1) {
            said += c;
            const auto at = said.find("http://127.0.0.1:");
            if (c == '\n' && at != std::string::npos) {
                port_ = std::atoi(said.c_str() + at + 17);
                return;
            }
        }
        give_up("the server does not start: " + said);
    }
    ~server() {
        kill(process_, SIGTERM);
        waitpid(process_, nullptr, 0);
        std::filesystem::remove_all(folder_);
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    [[nodiscard]] int port() const { return port_; }

  private:
    std::string folder_;
    pid_t process_ = 0;
    int port_ = 0;
};

// One kept connection; waits for each result.
class client {
  public:
    explicit client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int yes = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) give_up("no connection");
    }
    ~client() { close(socket_); }
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    // How it began.
    std::string run(const std::string& body) {
        const std::string request =
            "POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Prefer: wait=30\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
        if (send(socket_, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) give_up("send");
        std::string answer;
        std::size_t whole = std::string::npos;
        while (answer.size() < whole) {
            char piece[16384];
            const ssize_t n = recv(socket_, piece, sizeof piece, 0);
            if (n <= 0) give_up("the server has closed: " + answer);
            answer.append(piece, static_cast<std::size_t>(n));
            const auto head = answer.find("\r\n\r\n");
            if (head == std::string::npos || whole != std::string::npos) continue;
            const char* length = strcasestr(answer.c_str(), "content-length: ");
            if (length == nullptr) give_up("no length: " + answer);
            whole = head + 4 + std::strtoul(length + 16, nullptr, 10);
        }
        if (answer.find("\"status\":\"completed\"") == std::string::npos) give_up("it failed: " + answer);
        const auto at = answer.find("\"start\":\"") + 9;
        return answer.substr(at, answer.find('"', at) - at);
    }

  private:
    int socket_;
};

using one_run = std::function<std::string()>;

void measure(std::size_t count, std::vector<one_run> lanes, series& into) {
    std::vector<series> parts(lanes.size());
    const double begin = now_ms();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < lanes.size(); ++i)
        threads.emplace_back([&, i] {
            for (std::size_t n = 0; n < count / lanes.size(); ++n) {
                const double at = now_ms();
                ++parts[i].starts[lanes[i]()];
                parts[i].each_ms.push_back(now_ms() - at);
            }
        });
    for (auto& thread : threads) thread.join();
    into.all_ms += now_ms() - begin;
    for (const auto& part : parts) {
        into.each_ms.insert(into.each_ms.end(), part.each_ms.begin(), part.each_ms.end());
        for (const auto& [name, number] : part.starts) into.starts[name] += number;
    }
}

struct contestant {
    std::string name;
    std::vector<const char*> command;  // bare, or
    std::string body;                  // what is posted
    std::size_t part = 1;              // of the count, for slow ones
    std::size_t beside = 0;            // which contestant it is compared with
    series one{}, two{};
};

std::vector<contestant> all_contestants() {
    const auto post = [](const char* lang, const char* script, const char* start) {
        return std::string("{\"lang\":\"") + lang + "\",\"script\":\"" + script + "\",\"isolation\":\"" + start + "\"}";
    };
    return {{"bare /bin/true", {"/bin/true", nullptr}, "", 1, 0},
            {"bare python3 -I -S -c print(1)", {"/usr/bin/python3", "-I", "-S", "-c", "print(1)", nullptr}, "", 1, 1},
            {"bare python3 -c print(1)", {"/usr/bin/python3", "-c", "print(1)", nullptr}, "", 1, 1},
            {"python cold, POST to end", {}, post("python", "print(1)", "cold"), 1, 1},
            {"python warm, POST to end", {}, post("python", "print(1)", "warm"), 1, 1},
            {"bare bash -c 'echo 1'", {"/bin/bash", "-c", "echo 1", nullptr}, "", 1, 5},
            {"bash, POST to end", {}, post("bash", "echo 1", "warm"), 1, 5},
            {"bare node -e", {"/usr/bin/node", "-e", "console.log(1)", nullptr}, "", 4, 7},
            {"node cold, POST to end", {}, post("node", "console.log(1)", "cold"), 4, 7},
            {"node warm, POST to end", {}, post("node", "console.log(1)", "warm"), 4, 7}};
}

}  // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::string> options{
        {"--binary", "build/release/weir"}, {"--rounds", "6"}, {"--count", "60"}, {"--shards", "1"}};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!options.contains(argv[i])) give_up(std::string("unknown: ") + argv[i]);
        options[argv[i]] = argv[i + 1];
    }
    const std::size_t rounds = std::strtoul(options["--rounds"].c_str(), nullptr, 10);
    const std::size_t count = std::strtoul(options["--count"].c_str(), nullptr, 10);
    server weir(options["--binary"], options["--shards"]);
    auto contestants = all_contestants();
    std::erase_if(contestants, [](const auto& c) { return !c.command.empty() && access(c.command[0], X_OK) != 0; });
    const auto lane = [&weir](const contestant& c) -> one_run {
        if (c.body.empty()) return [&c] { return bare(c.command), std::string(); };
        // A server closes what is idle for long, so each measurement has connections of its own.
        return [&c, through = std::make_shared<client>(weir.port())] { return through->run(c.body); };
    };
    // The first round boots what the others use, and does not count.
    for (std::size_t round = 0; round <= rounds; ++round) {
        for (auto& c : contestants) {
            measure(std::max<std::size_t>(count / c.part, 2), {lane(c)}, c.one);
            usleep(100'000);  // pools refill, as they do between a user's requests
            measure(std::max<std::size_t>(count / c.part, 2), {lane(c), lane(c)}, c.two);
            usleep(100'000);
            if (round == 0) c.one = c.two = {};
        }
    }
    std::printf("%-32s %8s %8s %8s %8s | %8s %8s %8s  %s\n", "", "p50 ms", "p99 ms", "of bare", "per s", "two: p50",
                "per s", "of bare", "began");
    for (auto& c : contestants) {
        auto& beside = contestants[c.beside];
        std::printf("%-32s %8.2f %8.2f %8.2f %8.0f | %8.2f %8.0f %8.2f ", c.name.c_str(), c.one.percentile(0.5),
                    c.one.percentile(0.99), c.one.percentile(0.5) / beside.one.percentile(0.5), c.one.rate(),
                    c.two.percentile(0.5), c.two.rate(), c.two.rate() / beside.two.rate());
        for (const auto* s : {&c.one, &c.two})
            for (const auto& [name, number] : s->starts)
                if (!name.empty()) std::printf(" %s %d", name.c_str(), number);
        std::printf("\n");
    }
    return 0;
}
