// A server that does what a test tells it, connection by connection, on a thread of its own with blocking sockets.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace http::client {

// One accepted connection.
class scripted_connection {
  public:
    explicit scripted_connection(int fd) : fd_(fd) {}
    scripted_connection(const scripted_connection&) = delete;
    scripted_connection& operator=(const scripted_connection&) = delete;
    ~scripted_connection() { ::close(fd_); }

    // A request's head and, by its Content-Length, its body; empty when the client has closed.
    std::string read_request() {
        while (buffered_.find("\r\n\r\n") == std::string::npos)
            if (!read_more()) return {};
        const std::size_t head = buffered_.find("\r\n\r\n") + 4;
        std::size_t length = 0;
        const auto named = buffered_.find("Content-Length: ");
        if (named < head) length = std::stoul(buffered_.substr(named + 16));
        while (buffered_.size() < head + length)
            if (!read_more()) return {};
        std::string out = buffered_.substr(0, head + length);
        buffered_.erase(0, head + length);
        return out;
    }
    // What comes next, of any kind; empty when the client has closed.
    std::string read_some() {
        if (buffered_.empty()) read_more();
        return std::exchange(buffered_, std::string());
    }
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    [[nodiscard]] std::uint16_t local_port() const {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(address.sin_port);
    }
    // Ends with a reset instead of an orderly close.
    void reset_at_close() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    void wait_for_close() {
        while (read_more()) {
        }
    }

  private:
    bool read_more() {
        char bytes[4096];
        const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
        if (n <= 0) return false;
        buffered_.append(bytes, static_cast<std::size_t>(n));
        return true;
    }

    int fd_;
    std::string buffered_;
};

class scripted_server {
  public:
    using script = std::function<void(scripted_connection&)>;

    // Serves as many connections as there are scripts, one after the other, then closes its port.
    explicit scripted_server(std::vector<script> scripts) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("no port to listen on");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this, scripts = std::move(scripts)] {
            for (const auto& one : scripts) {
                const int fd = ::accept(listener_, nullptr, nullptr);
                if (fd < 0) return;
                scripted_connection connection(fd);
                one(connection);
            }
            stop_listening();
        });
    }
    // Connections that never came are no longer waited for; a test that wants them calls join().
    ~scripted_server() {
        stop_listening();
        join();
        ::close(listener_);
    }
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + std::to_string(port_); }

  private:
    void stop_listening() const { ::shutdown(listener_, SHUT_RDWR); }

    int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace http::client
