// The contract's calls as the harness makes them: over lent connections, each with its moments.
#pragma once

#include <string>

#include "bench/connection_pool.hpp"
#include "bench/oracle.hpp"
#include "http/client/connection.hpp"
#include "http/client/message.hpp"
#include "runtime/base/time.hpp"

namespace bench {

// "network.connection_refused": what failures of the network are counted by.
std::string name_of(runtime::error_code failure);

// Any answer, or none. The moments are the client's.
struct call_answer {
    int status = 0;               // 0: none came
    runtime::error_code failure;  // then why
    http::client::response answer;
    runtime::steady_time asked;  // before a connection was lent
    runtime::steady_time sent;
    runtime::steady_time answered;
    std::int64_t sent_us = 0;  // by the wall clock
    std::int64_t answered_us = 0;

    // "503.overloaded", "404", "network.connection_reset": what errors are counted by.
    [[nodiscard]] std::string kind() const;
    // The problem's code; empty where there is none.
    [[nodiscard]] std::string code() const;
};

struct post_answer {
    call_answer call;
    std::string id;  // of a 202 or 200
    bool replayed = false;
    std::optional<result_answer> result;  // of a 200

    [[nodiscard]] bool accepted() const { return !id.empty(); }
};

// Shard: its owner only; any number of calls at once.
class calls {
  public:
    calls(runtime::shard& home, http::client::url server, std::size_t connections_max);

    runtime::task<call_answer> call(http::client::request what, runtime::steady_time deadline);
    // `key` may be empty. With `wait_s` above 0 the result is asked for in the same call.
    runtime::task<post_answer> post(std::string body, std::string key, std::uint64_t wait_s,
                                    runtime::steady_time deadline);
    runtime::task<call_answer> result_of(std::string id, runtime::steady_time deadline);

    [[nodiscard]] runtime::shard& home() const { return home_; }
    [[nodiscard]] const http::client::url& server() const { return server_; }
    [[nodiscard]] std::size_t connections() const { return pool_.made(); }

  private:
    runtime::shard& home_;
    http::client::url server_;
    connection_pool pool_;
};

// How following an execution's events ended.
enum class follow_end : std::uint8_t {
    ended,      // behind the last event, in order
    gone,       // the server does not know it (404)
    lost,       // the server could not be reached until the deadline
    unfinished  // the deadline came first, the server was there
};

struct follow_options {
    runtime::steady_time deadline;
    // Break off behind so many events and resume, to see whether numbers go on; 0: never.
    std::uint64_t break_behind = 0;
};

// What following cost and met, for the recorder.
struct follow_report {
    follow_end end = follow_end::unfinished;
    std::int64_t end_seen_us = 0;  // by the wall clock; 0: not seen
    runtime::steady_time end_seen;
    std::uint64_t events = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t resumed = 0;
    std::map<std::string, std::uint64_t> retries;  // by kind

    // A further stretch of the same following.
    void add(const follow_report& more);
};

// Reads the events of an execution behind `checker.last()` to their end, over as many connections as it takes.
runtime::task<follow_report> follow(runtime::shard& home, http::client::url server, std::string id,
                                    event_checker& checker, findings& wrong, follow_options options);

}  // namespace bench
