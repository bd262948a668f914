#include "tests/unit/http/support/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace http::testing {

raw_client::raw_client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("cannot connect");
    const int yes = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

raw_client::raw_client(raw_client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), ended_(other.ended_), received_(std::move(other.received_)) {}

raw_client::~raw_client() {
    if (fd_ >= 0) ::close(fd_);
}

bool raw_client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool raw_client::receive(std::chrono::milliseconds patience) {
    if (ended_) return false;
    pollfd one{fd_, POLLIN, 0};
    if (::poll(&one, 1, static_cast<int>(patience.count())) <= 0) return false;
    std::array<char, 65536> bytes;
    const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (count <= 0) {
        ended_ = true;
        return false;
    }
    received_.append(bytes.data(), static_cast<std::size_t>(count));
    return true;
}

bool raw_client::take_chunks(std::string& body) {
    while (true) {
        std::size_t line = 0;
        while ((line = received_.find("\r\n")) == std::string::npos)
            if (!receive()) return false;
        const auto size = std::stoul(received_.substr(0, line), nullptr, 16);
        while (received_.size() < line + 2 + size + 2)
            if (!receive()) return false;
        body += received_.substr(line + 2, size);
        received_.erase(0, line + 2 + size + 2);
        if (size == 0) return true;
    }
}

raw_answer raw_client::answer(bool to_head) {
    raw_answer out;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos)
        if (!receive()) return out;
    const std::string head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    out.status = std::stoi(head.substr(9, 3));
    std::size_t at = head.find("\r\n") + 2;
    while (at < head.size()) {
        const auto line_end = head.find("\r\n", at);
        const auto colon = head.find(": ", at);
        std::string name = head.substr(at, colon - at);
        for (auto& c : name) c = static_cast<char>(::tolower(c));
        out.fields[name] = head.substr(colon + 2, line_end - colon - 2);
        at = line_end + 2;
    }
    if (out.status == 100) return answer(to_head);
    if (to_head || out.status == 204 || out.status == 304) {
        out.whole = true;
    } else if (out.field("transfer-encoding") == "chunked") {
        out.whole = take_chunks(out.body);
    } else if (out.fields.contains("content-length")) {
        const auto size = std::stoul(out.field("content-length"));
        while (received_.size() < size && receive()) {
        }
        out.whole = received_.size() >= size;
        out.body = received_.substr(0, size);
        received_.erase(0, size);
    } else {
        while (receive()) {
        }
        out.whole = ended_;
        out.body = std::exchange(received_, {});
    }
    return out;
}

std::string raw_client::rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
}

bool raw_client::wait_for(std::string_view text, std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (received_.find(text) == std::string::npos) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !receive(left)) return received_.find(text) != std::string::npos;
    }
    return true;
}

bool raw_client::closed(std::chrono::milliseconds patience) {
    while (receive(patience)) {
    }
    return ended_;
}

void raw_client::end_sending() { ::shutdown(fd_, SHUT_WR); }

void raw_client::reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(std::exchange(fd_, -1));
}

std::uint16_t raw_client::local_port() const {
    sockaddr_in here{};
    socklen_t size = sizeof here;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &size);
    return ntohs(here.sin_port);
}

std::string get(std::string_view target, std::string_view fields) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view target, std::string_view body, std::string_view fields) {
    return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
           std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace http::testing
