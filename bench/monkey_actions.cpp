// What a monkey does, and which answers to it are right.
#include <array>
#include <set>

#include "bench/monkey.hpp"
#include "runtime/gate.hpp"
#include "runtime/spawn.hpp"

namespace bench {

using http::client::header_list;
using runtime::task;

namespace {

const std::string json_type = "application/json";

header_list json_headers() { return {{"Content-Type", json_type}}; }

struct invalid_post {
    std::string body;
    int status;
    std::string header{};  // a further one, or Content-Type instead of JSON's
    std::string value{};
};

std::string long_text(std::size_t size) { return std::string(size, 'x'); }

const std::vector<invalid_post>& invalid_posts() {
    static const std::vector<invalid_post> all = {
        {R"({"script":)", 400},
        {R"({"script":"1"} x)", 400},
        {"", 400},
        {"[]", 422},
        {"{}", 422},
        {R"({"script":""})", 422},
        {R"({"script":7})", 422},
        {R"({"script":"1","surprise":1})", 422},
        {R"({"script":"1","script":"2"})", 422},
        {R"({"script":"1","priority":"urgent"})", 422},
        {R"({"script":"1","args":"x"})", 422},
        {R"({"script":"1","args":[1]})", 422},
        {R"({"script":"1","limits":{"wall_ms":0}})", 422},
        {R"({"script":"1","limits":{"wall_ms":99999999999}})", 422},
        {R"({"script":"1","limits":{"unheard_of":1}})", 422},
        {R"({"script":"1","retry":{"max_attempts":11}})", 422},
        {R"({"script":"1","labels":{"k":1}})", 422},
        {R"({"script":"1","stdin":{"base64":"%"}})", 422},
        {R"({"script":")" + long_text(50'001) + R"("})", 422},
        {R"({"script":"1"})", 415, "Content-Type", "text/plain"},
        {R"({"script":"1"})", 400, "Idempotency-Key", long_text(256)},
        {R"({"script":")" + long_text(11 << 20) + R"("})", 413},
    };
    return all;
}

}  // namespace

task<void> monkey::post_valid() {
    const std::uint64_t number = lane_.next_number();
    ++lane_.now_.counts.sent;
    const auto posted =
        co_await lane_.calls_.post(lane_.setup_.what.body_of(number), lane_.key_for(number), 0, lane_.call_deadline());
    if (!expect(posted.call, {202})) co_return;
    if (!posted.accepted()) {
        wrong("answer_malformed", "accepted without an execution_id");
        co_return;
    }
    if (posted.call.answer.head.header("location") != "/api/v1/executions/" + posted.id)
        wrong("answer_malformed", "the Location of " + posted.id + " is \"" +
                                      std::string(posted.call.answer.head.header("location")) + "\"");
    remember(number, posted);
}

task<void> monkey::post_and_wait() {
    const std::uint64_t number = lane_.next_number();
    ++lane_.now_.counts.sent;
    const auto posted = co_await lane_.calls_.post(lane_.setup_.what.body_of(number), lane_.key_for(number),
                                                   1 + random_.below(5), lane_.call_deadline());
    if (!expect(posted.call, {200, 202}) || !posted.accepted()) co_return;
    if (posted.result) check_result(*posted.result, posted.id, number, lane_.setup_.what, nullptr, lane_.now_.wrong);
    remember(number, posted);
}

task<void> monkey::post_invalid() {
    const auto& what = invalid_posts()[random_.below(invalid_posts().size())];
    header_list headers;
    if (what.header != "Content-Type") headers.emplace_back("Content-Type", json_type);
    if (!what.header.empty()) headers.emplace_back(what.header, what.value);
    const auto got = co_await ask("POST", "/api/v1/execute", std::move(headers), what.body);
    // A server that has refused a large body may close before it was sent whole.
    if (what.status == 413 && got.status == 0) co_return;
    const bool as_meant = expect(got, {what.status});
    if (!as_meant || what.status != 422) co_return;
    const auto problem = json::parse(got.answer.body);
    const auto* errors = problem ? json::find(*problem, "errors") : nullptr;
    if (errors == nullptr || !errors->is_array() || errors->get_array().empty())
        wrong("answer_malformed", "422 without errors[]");
}

task<void> monkey::repeat_key() {
    const auto known = any();
    const auto again = co_await lane_.calls_.post(lane_.setup_.what.body_of(known.number), lane_.key_for(known.number),
                                                  0, lane_.call_deadline());
    ++lane_.now_.counts.repeated;
    if (!expect(again.call, {202, 200}) || !again.accepted()) co_return;
    if (again.id != known.id) wrong("key_gave_two", "one key gave " + known.id + " and " + again.id);
    if (!again.replayed) wrong("replay_unmarked", "the replay of " + known.id + " is not marked");
}

task<void> monkey::reuse_key() {
    const auto known = any();
    const auto got = co_await lane_.calls_.post(R"({"script":"another body"})", lane_.key_for(known.number), 0,
                                                lane_.call_deadline());
    const bool as_meant = expect(got.call, {422});
    if (as_meant && got.call.code() != "idempotency_key_reused")
        wrong("answer_wrong", "a reused key is called " + got.call.code());
}

task<void> monkey::race_once(std::uint64_t number, std::vector<std::string>* ids) {
    const auto posted =
        co_await lane_.calls_.post(lane_.setup_.what.body_of(number), lane_.key_for(number), 0, lane_.call_deadline());
    const bool as_meant = expect(posted.call, {202, 409});
    if (!as_meant || !posted.accepted()) co_return;
    if (ids->empty()) remember(number, posted);
    ids->push_back(posted.id);
}

// Several posts of one key at the same moment give one execution.
task<void> monkey::race_one_key() {
    const std::uint64_t number = lane_.next_number();
    ++lane_.now_.counts.sent;
    std::vector<std::string> ids;
    runtime::gate racing(lane_.home_);
    const std::uint64_t racers = 2 + random_.below(4);
    for (std::uint64_t i = 0; i < racers; ++i) runtime::spawn(racing, lane_.home_, race_once(number, &ids));
    co_await racing.close();
    const std::set<std::string> distinct(ids.begin(), ids.end());
    if (distinct.size() > 1)
        wrong("key_gave_two", "one key, posted " + std::to_string(racers) + " times at once, gave " + ids.front() +
                                  " and " + std::to_string(distinct.size() - 1) + " more");
}

task<void> monkey::view() {
    const bool real = random_.chance(800'000);
    const std::string id = real ? any().id : unknown_id();
    const auto got = co_await ask("GET", "/api/v1/executions/" + id);
    if (!expect(got, {real ? 200 : 404}) || !real) co_return;
    const auto body = json::parse(got.answer.body);
    static const std::set<std::string> statuses = {"queued", "scheduled", "running",  "completed",
                                                   "failed", "timeout",   "cancelled"};
    if (!body || json::text_of(*body, "execution_id") != id || !statuses.contains(json::text_of(*body, "status")))
        wrong("answer_malformed", "execution " + id + " is shown as " + got.answer.body.substr(0, 200));
}

task<void> monkey::read_result() {
    const bool real = random_.chance(800'000);
    const std::string id = real ? any().id : unknown_id();
    const auto got = co_await ask("GET", "/api/v1/executions/" + id + "/result");
    if (!real) {
        expect(got, {404});
        co_return;
    }
    const bool as_meant = expect(got, {200, 409});
    if (as_meant && got.status == 409 && got.code() != "not_finished")
        wrong("answer_wrong", "a result that is not there yet is called " + got.code());
    if (as_meant && got.status == 200 && !parse_result(got.answer.body))
        wrong("answer_malformed", "the result of " + id + " is none");
}

task<void> monkey::read_output() {
    const std::string id = any().id;
    const char* stream = random_.chance(500'000) ? "stdout" : "stderr";
    const auto got = co_await ask("GET", "/api/v1/executions/" + id + "/output/" + stream);
    expect(got, {200, 409});
}

task<void> monkey::cancel() {
    const bool real = random_.chance(800'000);
    const std::string id = real ? any().id : unknown_id();
    if (real) lane_.cancel_asked_.insert(id);
    const auto got = co_await ask("POST", "/api/v1/executions/" + id + "/cancel");
    if (!real) {
        expect(got, {404});
        co_return;
    }
    const bool as_meant = expect(got, {202, 409});
    if (as_meant && got.status == 409 && got.code() != "already_finished")
        wrong("answer_wrong", "a cancellation behind the end is called " + got.code());
}

// A stream that is read for a while and left, from the beginning or from within.
task<void> monkey::follow_some() {
    const std::string id = any().id;
    event_checker checker(id, lane_.now_.wrong);
    follow_options options;
    options.deadline =
        std::min(lane_.end_by_,
                 lane_.home_.time().steady() + runtime::milliseconds(static_cast<std::int64_t>(random_.below(3'000))));
    options.break_behind = random_.below(7);
    const auto seen = co_await follow(lane_.home_, lane_.setup_.server, id, checker, lane_.now_.wrong, options);
    if (seen.end == follow_end::gone) wrong("lost", "execution " + id + " is unknown");
    lane_.now_.counts.events += seen.events;
    lane_.now_.counts.reconnects += seen.reconnects;
}

task<void> monkey::resume_wrongly() {
    const std::string path = "/api/v1/events/executions/";
    const auto which = random_.below(3);
    std::string target = path + any().id + (which == 0 ? "?after=1000000" : "?after=first");
    if (which == 2) target = path + unknown_id();
    const auto got = co_await ask("GET", target);
    expect(got, {which == 2 ? 404 : 400});
}

task<void> monkey::list() {
    const std::uint64_t limit = 1 + random_.below(50);
    std::string target = "/api/v1/executions?limit=" + std::to_string(limit);
    std::string last = "g";  // above every id
    for (int page = 0; page < 3; ++page) {
        const auto got = co_await ask("GET", target);
        if (!expect(got, {200})) co_return;
        const auto body = json::parse(got.answer.body);
        const auto* items = body ? json::find(*body, "items") : nullptr;
        if (items == nullptr || !items->is_array() || items->get_array().size() > limit) {
            wrong("answer_malformed", "a list without its items, or with more than asked for");
            co_return;
        }
        for (const auto& item : items->get_array()) {
            const std::string id = json::text_of(item, "execution_id");
            if (id >= last) wrong("list_order", id + " stands behind " + last);
            last = id;
        }
        const std::string cursor = json::text_of(*body, "next_cursor");
        if (cursor.empty()) co_return;
        target =
            "/api/v1/executions?limit=" + std::to_string(limit) + "&cursor=" + http::client::percent_encode(cursor);
    }
}

task<void> monkey::list_wrongly() {
    static const std::array<std::string, 5> queries = {"limit=0", "limit=1001", "limit=x", "status=asleep",
                                                       "cursor=nonsense"};
    const auto got = co_await ask("GET", "/api/v1/executions?" + queries[random_.below(queries.size())]);
    expect(got, {400, 422});
}

task<void> monkey::ask_for_nothing() {
    const auto which = random_.below(3);
    if (which == 0) {
        const auto got = co_await ask("DELETE", "/api/v1/execute");
        const bool as_meant = expect(got, {405});
        if (as_meant && got.answer.head.header("allow").empty()) wrong("answer_malformed", "405 without Allow");
    } else if (which == 1) {
        const auto got = co_await ask("GET", "/api/v1/nothing/" + std::to_string(random_.below(1'000)));
        expect(got, {404});
    } else {
        const auto got = co_await ask("POST", "/api/v1/executions/" + unknown_id() + "/nothing", json_headers(), "{}");
        expect(got, {404});
    }
}

}  // namespace bench
