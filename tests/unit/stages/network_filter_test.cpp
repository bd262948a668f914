#include "stages/worker/network/filter.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <semaphore>

#include "runtime/shard_thread.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace stages::worker::network {
namespace {

using http::client::scripted_connection;
using http::client::scripted_server;
using runtime::milliseconds;
using runtime::shard;
using runtime::task;

// Names as the test has them, a list of answers each: the last one stays.
class told_names final : public resolver {
  public:
    std::shared_ptr<lookup> ask(std::string name) override {
        ++asked[name];
        was_asked.release();
        auto out = std::make_shared<lookup>(shard::here());
        auto& answers = names[name];
        if (!answers.empty()) {
            for (const auto& text : answers.front()) out->addresses.push_back(*runtime::parse_ip_address(text));
            if (answers.size() > 1) answers.erase(answers.begin());
        }
        out->done = !silent;
        return out;
    }
    std::map<std::string, std::vector<std::vector<std::string>>> names;
    std::map<std::string, int> asked;
    std::counting_semaphore<> was_asked{0};
    bool silent = false;
};

int listening_socket(std::uint16_t& port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd, 16), 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return fd;
}

// A program's side: says something and reads until the end, or until it has seen what it waits for.
class program {
  public:
    explicit program(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    program(const program&) = delete;
    ~program() { ::close(fd_); }
    void say(std::string_view text) const { EXPECT_GT(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), 0); }
    void end() const { ::shutdown(fd_, SHUT_WR); }
    std::string hear(std::string_view until = {}) const {
        std::string out;
        char bytes[4096];
        while (until.empty() || out.find(until) == std::string::npos) {
            const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
            if (n <= 0) break;
            out.append(bytes, static_cast<std::size_t>(n));
        }
        return out;
    }

  private:
    int fd_;
};

class network_filter : public testing::Test {
  protected:
    void SetUp() override {
        options_.policy.hosts = {*pipeline::parse_host_rule("*:*")};
        asked_.mode = pipeline::network_mode::allow;
        asked_.allow = {"*:*"};
        auto names = std::make_unique<told_names>();
        names_ = names.get();
        resolver_ = std::move(names);
    }
    // Runs the filter while `body` plays the program.
    void with_filter(const std::function<void(std::uint16_t)>& body) {
        runtime::shard_group group(1);
        group.start();
        std::unique_ptr<filter_shared> shared;
        std::unique_ptr<filter> one;
        std::uint16_t port = 0;
        const int listener = listening_socket(port);
        group.run_and_wait(0, [&]() -> task<void> { return begin(shared, one, listener); });
        body(port);
        group.run_and_wait(0, [&]() -> task<void> { return finish(shared, one); });
        group.stop();
    }
    task<void> begin(std::unique_ptr<filter_shared>& shared, std::unique_ptr<filter>& one, int listener) {
        shared = std::make_unique<filter_shared>(shard::here(), options_, std::move(resolver_));
        one = std::make_unique<filter>(shard::here(), *shared, asked_);
        EXPECT_TRUE(one->begin(listener));
        co_return;
    }
    task<void> finish(std::unique_ptr<filter_shared>& shared, std::unique_ptr<filter>& one) {
        const auto before = shard::here().time().steady();
        co_await one->end();
        EXPECT_LT((shard::here().time().steady() - before).count(), 20'000'000) << "an end does not wait for peers";
        use_ = one->use();
        one.reset();
        shared.reset();
    }
    // The operator means this very port of the node.
    void reach(std::uint16_t port) {
        options_.policy.reachable.push_back(*pipeline::parse_address_rule("127.0.0.1:" + std::to_string(port)));
    }
    static std::string connect_to(std::uint16_t through, const std::string& where) {
        program p(through);
        p.say("CONNECT " + where + " HTTP/1.1\r\n\r\n");
        return p.hear();
    }

    filter_options options_;
    pipeline::network_request asked_;
    pipeline::network_use use_;
    told_names* names_ = nullptr;
    std::unique_ptr<resolver> resolver_;
};

TEST_F(network_filter, tunnels_to_what_is_meant) {
    scripted_server server({[](scripted_connection& c) {
        EXPECT_EQ(c.read_some(), "hello");
        c.write("world");
    }});
    reach(server.port());
    names_->names["a.org"] = {{"127.0.0.1"}};
    with_filter([&](std::uint16_t port) {
        program p(port);
        p.say("CONNECT a.org:" + std::to_string(server.port()) + " HTTP/1.1\r\n\r\nhello");
        EXPECT_EQ(p.hear(), "HTTP/1.1 200 Connection established\r\n\r\nworld");
    });
    EXPECT_EQ(use_.connections, 1U);
    EXPECT_EQ(use_.sent_bytes, 5U);
    EXPECT_EQ(use_.received_bytes, 5U);
    EXPECT_EQ(use_.refused, 0U);
}

TEST_F(network_filter, forwards_plain_requests) {
    scripted_server server({[](scripted_connection& c) {
        EXPECT_EQ(c.read_request(), "POST /x HTTP/1.1\r\nHost: a.org:" + std::to_string(c.local_port()) +
                                        "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }});
    reach(server.port());
    names_->names["a.org"] = {{"127.0.0.1"}};
    with_filter([&](std::uint16_t port) {
        program p(port);
        p.say("POST http://a.org:" + std::to_string(server.port()) + "/x HTTP/1.1\r\nContent-Length: 2\r\n\r\nh");
        p.say("i");
        EXPECT_EQ(p.hear(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
}

TEST_F(network_filter, passes_the_end_of_each_way_on) {
    scripted_server server({[](scripted_connection& c) {
        std::string all;
        for (std::string part; !(part = c.read_some()).empty();) all += part;
        c.write("got " + std::to_string(all.size()));
    }});
    reach(server.port());
    with_filter([&](std::uint16_t port) {
        program p(port);
        p.say("CONNECT 127.0.0.1:" + std::to_string(server.port()) + " HTTP/1.1\r\n\r\n");
        EXPECT_NE(p.hear("\r\n\r\n"), "");
        for (int i = 0; i < 10; ++i) p.say(std::string(10'000, 'x'));
        p.end();
        EXPECT_EQ(p.hear(), "got 100000");
    });
}

TEST_F(network_filter, refuses_names_that_stand_for_forbidden_addresses) {
    names_->names["loop.org"] = {{"127.0.0.1"}};
    names_->names["mapped.org"] = {{"::ffff:127.0.0.1"}};
    names_->names["meta.org"] = {{"169.254.169.254"}};
    names_->names["lan.org"] = {{"10.0.0.1", "fd00::1", "fe80::1"}};
    with_filter([&](std::uint16_t port) {
        for (const char* host : {"loop.org:80", "mapped.org:80", "127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"})
            EXPECT_NE(connect_to(port, host).find("X-Weir-Refused: own_address"), std::string::npos) << host;
        for (const char* host :
             {"meta.org:80", "lan.org:80", "169.254.169.254:80", "[fd00:ec2::254]:80", "10.0.0.1:80", "0.0.0.0:80"})
            EXPECT_NE(connect_to(port, host).find("X-Weir-Refused: forbidden_address"), std::string::npos) << host;
        for (const char* host : {"2130706433:80", "0x7f000001:80", "0177.0.0.1:80", "127.1:80"})
            EXPECT_NE(connect_to(port, host).find("400 Bad Request"), std::string::npos) << host;
    });
    EXPECT_EQ(use_.connections, 0U);
    EXPECT_EQ(use_.refused, 15U);
    EXPECT_EQ(use_.refusals.size(), pipeline::network_refusals_max);
    EXPECT_EQ(use_.refusals[0],
              (pipeline::network_use::refusal{"loop.org:80", pipeline::network_refusal::own_address}));
}

TEST_F(network_filter, a_name_is_looked_up_once) {
    scripted_server server(
        {[](scripted_connection& c) { c.write("first"); }, [](scripted_connection& c) { c.write("second"); }});
    reach(server.port());
    names_->names["turns.org"] = {{"127.0.0.1"}, {"169.254.169.254"}};
    names_->names["mixed.org"] = {{"10.0.0.1", "127.0.0.1"}};
    const std::string at = ":" + std::to_string(server.port());
    with_filter([&](std::uint16_t port) {
        EXPECT_NE(connect_to(port, "turns.org" + at).find("first"), std::string::npos);
        EXPECT_NE(connect_to(port, "TURNS.org." + at).find("second"), std::string::npos) << "the first answer stands";
        EXPECT_EQ(names_->asked["turns.org"], 1);
    });
    EXPECT_EQ(use_.connections, 2U);
}

TEST_F(network_filter, goes_only_where_the_request_and_the_operator_agree) {
    asked_.allow = {"a.org:80", "b.org:80"};
    options_.policy.hosts = {*pipeline::parse_host_rule("a.org:80")};
    names_->names["a.org"] = {{"10.0.0.1"}};
    with_filter([&](std::uint16_t port) {
        EXPECT_NE(connect_to(port, "a.org:80").find("forbidden_address"), std::string::npos);
        EXPECT_NE(connect_to(port, "a.org:81").find("not_in_request"), std::string::npos);
        EXPECT_NE(connect_to(port, "b.org:80").find("not_in_operator_list"), std::string::npos);
        EXPECT_NE(connect_to(port, "10.0.0.1:80").find("not_in_request"), std::string::npos);
        EXPECT_EQ(names_->asked.size(), 1U) << "names that are refused are not looked up";
    });
}

TEST_F(network_filter, has_limits) {
    options_.policy.connections_max = 2;
    options_.policy.names_max = 1;
    options_.policy.bytes_max = 1000;
    scripted_server server({[](scripted_connection& c) { c.wait_for_close(); }});
    reach(server.port());
    with_filter([&](std::uint16_t port) {
        EXPECT_NE(connect_to(port, "no.org:80").find("unknown_name"), std::string::npos);
        names_->names["a.org"] = {{"10.0.0.1"}};
        EXPECT_NE(connect_to(port, "a.org:80").find("forbidden_address"), std::string::npos);
        EXPECT_NE(connect_to(port, "b.org:80").find("network.names_max"), std::string::npos);
        program first(port);
        first.say("CONNECT 127.0.0.1:" + std::to_string(server.port()) + " HTTP/1.1\r\n\r\n");
        first.hear("\r\n\r\n");
        const program second(port);
        EXPECT_NE(program(port).hear().find("network.connections_max"), std::string::npos);
        first.say(std::string(1001, 'x'));
        EXPECT_EQ(first.hear(), "");
        EXPECT_EQ(second.hear(), "") << "all are cut";
        EXPECT_NE(connect_to(port, "10.0.0.1:80").find("network.bytes_max"), std::string::npos);
    });
    EXPECT_TRUE(use_.bytes_limit_reached);
}

TEST_F(network_filter, ends_whatever_it_waits_for) {
    names_->silent = true;
    scripted_server server({[](scripted_connection& c) { c.wait_for_close(); }});
    reach(server.port());
    with_filter([&](std::uint16_t port) {
        const program idle(port);
        const program half(port);
        half.say("CONN");
        const program looks_up(port);
        looks_up.say("CONNECT a.org:80 HTTP/1.1\r\n\r\n");
        const program waits(port);
        waits.say("CONNECT b.org:80 HTTP/1.1\r\n\r\n");
        const program talks(port);
        talks.say("CONNECT 127.0.0.1:" + std::to_string(server.port()) + " HTTP/1.1\r\n\r\n");
        talks.hear("\r\n\r\n");
        EXPECT_TRUE(names_->was_asked.try_acquire_for(std::chrono::seconds(30)));
    });
}

}  // namespace
}  // namespace stages::worker::network
