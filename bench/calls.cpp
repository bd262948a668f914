#include "bench/calls.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

namespace bench {

using http::client::request;
using runtime::steady_time;
using runtime::task;

std::string name_of(runtime::error_code failure) {
    if (failure == boost::asio::error::timed_out) return "network.timed_out";
    std::string out = "network." + failure.message();
    std::ranges::replace(out, ' ', '_');
    std::ranges::transform(out, out.begin(), [](unsigned char one) { return std::tolower(one); });
    return out;
}

std::string call_answer::code() const {
    if (!answer.head.header("content-type").starts_with("application/problem+json")) return {};
    const auto parsed = json::parse(answer.body);
    return parsed ? json::text_of(*parsed, "code") : std::string();
}

std::string call_answer::kind() const {
    if (status == 0) return name_of(failure);
    const std::string name = code();
    return std::to_string(status) + (name.empty() ? "" : "." + name);
}

calls::calls(runtime::shard& home, http::client::url server, std::size_t connections_max)
    : home_(home), server_(server), pool_(home, std::move(server), connections_max) {}

task<call_answer> calls::call(request what, steady_time deadline) {
    call_answer out;
    out.asked = home_.time().steady();
    const auto connection = co_await pool_.take();
    out.sent = home_.time().steady();
    out.sent_us = home_.time().utc().microseconds_since_epoch;
    auto got = co_await connection->exchange(std::move(what), deadline);
    out.answered = home_.time().steady();
    out.answered_us = home_.time().utc().microseconds_since_epoch;
    if (got.has_error()) {
        out.failure = got.error();
    } else {
        out.status = got->head.status;
        out.answer = std::move(*got);
    }
    co_return out;
}

task<post_answer> calls::post(std::string body, std::string key, std::uint64_t wait_s, steady_time deadline) {
    request what("POST", "/api/v1/execute");
    what.headers.emplace_back("Content-Type", "application/json");
    if (!key.empty()) what.headers.emplace_back("Idempotency-Key", std::move(key));
    if (wait_s > 0) what.headers.emplace_back("Prefer", "wait=" + std::to_string(wait_s));
    what.body = std::move(body);
    post_answer out;
    out.call = co_await call(std::move(what), deadline);
    if (out.call.status != 200 && out.call.status != 202) co_return out;
    out.replayed = out.call.answer.head.header("idempotent-replayed") == "true";
    if (out.call.status == 200) {
        out.result = parse_result(out.call.answer.body);
        if (out.result) out.id = out.result->id;
    } else if (const auto parsed = json::parse(out.call.answer.body)) {
        out.id = json::text_of(*parsed, "execution_id");
    }
    co_return out;
}

task<call_answer> calls::result_of(std::string id, steady_time deadline) {
    request what("GET", "/api/v1/executions/" + id + "/result");
    what.headers.emplace_back("Accept", "application/json");
    return call(std::move(what), deadline);
}

}  // namespace bench
