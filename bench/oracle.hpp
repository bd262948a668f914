// What must be true whatever the load: the oracle reads every answer and event, and keeps what contradicts the
// contract. It knows no network.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bench/workload.hpp"
#include "http/client/event_stream.hpp"
#include "runtime/base/ids.hpp"

namespace bench {

// Each breach has a kind; see docs/bench.md.
struct finding {
    finding(std::string k, std::string t) : kind(std::move(k)), text(std::move(t)) {}
    std::string kind;
    std::string text;  // one sentence that names the execution
};

// All counted, the first ones with their text.
class findings {
  public:
    static constexpr std::size_t examples_max = 50;

    void add(finding what);
    void merge(const findings& other);
    [[nodiscard]] std::uint64_t total() const { return total_; }
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
    [[nodiscard]] const std::vector<std::string>& examples() const { return examples_; }
    void restore(std::map<std::string, std::uint64_t> counts, std::vector<std::string> examples);

  private:
    std::map<std::string, std::uint64_t> counts_;
    std::vector<std::string> examples_;
    std::uint64_t total_ = 0;
};

// The moments that a stream of events told, by the server's clock; microseconds since 1970, 0 when it did not come.
struct server_times {
    std::int64_t requested = 0;
    std::int64_t queued = 0;   // of the first attempt
    std::int64_t started = 0;  // of the first attempt
    std::int64_t last_started = 0;
    std::int64_t ended = 0;
};

// The events of one execution, over all connections that brought them.
class event_checker {
  public:
    event_checker(std::string id, findings& into) : id_(std::move(id)), findings_(into) {}

    void take(const http::client::server_event& event);

    // The last number that was seen, from which a reader goes on.
    [[nodiscard]] std::uint64_t last() const { return last_; }
    [[nodiscard]] bool ended() const { return ended_; }
    // Of the bytes of all events up to last(); the same events give the same digest in every run.
    [[nodiscard]] std::uint64_t digest() const { return digest_; }
    // Keeps the digest as it is behind this number; 0 when that number did not come.
    void mark(std::uint64_t number) { marked_ = number; }
    [[nodiscard]] std::uint64_t marked_digest() const { return marked_digest_; }
    [[nodiscard]] const std::string& status() const { return status_; }
    [[nodiscard]] const server_times& times() const { return times_; }
    // Standard output of the last attempt; more than this is not kept, and then not compared.
    static constexpr std::size_t output_bytes_max = 1 << 20;
    [[nodiscard]] const std::optional<std::string>& standard_output() const { return output_; }
    // Retention took the history: numbers may have jumped.
    [[nodiscard]] bool was_reset() const { return was_reset_; }

  private:
    void report(std::string kind, std::string what);
    void check_number(std::uint64_t number);
    void check_order(std::string_view type, const json::value& body);
    void take_output(const json::value& body);
    void take_end(std::string_view type, const json::value& body);

    std::string id_;
    findings& findings_;
    std::uint64_t last_ = 0;
    std::uint64_t digest_ = 0xcbf29ce484222325ULL;
    std::uint64_t marked_ = 0;
    std::uint64_t marked_digest_ = 0;
    std::size_t step_ = 0;  // in the order that every attempt has
    std::uint64_t attempt_ = 1;
    bool ended_ = false;
    bool was_reset_ = false;
    std::string status_;
    std::optional<std::string> output_ = std::string();
    std::uint64_t output_next_ = 0;
    std::uint64_t error_next_ = 0;
    server_times times_;
};

// What GET …/result said, or POST with Prefer: wait.
struct result_answer {
    std::string id;
    std::string status;
    std::optional<std::string> standard_output;  // nothing when it was no UTF-8, or cut
};
std::optional<result_answer> parse_result(std::string_view body);

// One result beside what the workload promises and, where the events were read, beside them.
void check_result(const result_answer& got, std::string_view id, std::uint64_t number, const workload& expected,
                  const event_checker* events, findings& into);

// Remembers the ids that were given to keys, to find one that is given twice. Holds the last one to two million.
class known_ids {
  public:
    static constexpr std::size_t generation_max = 1'000'000;
    // False when it was there already.
    bool add(const runtime::execution_id& id);

  private:
    std::unordered_set<runtime::execution_id> young_;
    std::unordered_set<runtime::execution_id> old_;
};

// Microseconds since 1970 of an RFC 3339 time in UTC; 0 when it is none.
std::int64_t parse_time_us(std::string_view text);

}  // namespace bench
