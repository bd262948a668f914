// A monkey calls whatever the contract has, valid and invalid, in an order that its seed decides, and knows which
// answers are right.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "bench/lane.hpp"

namespace bench {

// Shard: its lane's. What it meets goes to the lane's recorder: calls by action, errors, findings.
class monkey {
  public:
    monkey(lane& owner, std::uint64_t seed);

    // Acts and thinks until the time is over.
    runtime::task<void> play(segment what);

  private:
    struct known_execution {
        std::uint64_t number = 0;
        std::string id;
    };
    struct action {
        const char* name;
        std::uint32_t weight;
        runtime::task<void> (monkey::*act)();
    };
    static const std::vector<action>& actions();

    runtime::task<void> post_valid();
    runtime::task<void> post_and_wait();
    runtime::task<void> post_invalid();
    runtime::task<void> repeat_key();
    runtime::task<void> reuse_key();
    runtime::task<void> race_one_key();
    runtime::task<void> race_once(std::uint64_t number, std::vector<std::string>* ids);
    runtime::task<void> view();
    runtime::task<void> read_result();
    runtime::task<void> read_output();
    runtime::task<void> cancel();
    runtime::task<void> follow_some();
    runtime::task<void> resume_wrongly();
    runtime::task<void> list();
    runtime::task<void> list_wrongly();
    runtime::task<void> ask_for_nothing();

    runtime::task<call_answer> ask(std::string method, std::string target, http::client::header_list headers = {},
                                   std::string body = {});
    // False when the answer says nothing about what was asked: none came, or the server is busy (429, 503).
    bool expect(const call_answer& got, std::initializer_list<int> statuses);
    void wrong(std::string kind, std::string what);
    void remember(std::uint64_t number, const post_answer& posted);
    // One of those that it knows; it knows one at least.
    const known_execution& any();
    std::string unknown_id();

    lane& lane_;
    runtime::random_source random_;
    const char* acting_ = "";
    std::vector<known_execution> mine_;
};

}  // namespace bench
