#include "bench/oracle.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

constexpr const char* id = "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f17";

http::client::server_event event(std::uint64_t number, const std::string& type, const std::string& more = "",
                                 int attempt = 1) {
    http::client::server_event out;
    out.type = type;
    out.id = std::to_string(number);
    out.has_id = true;
    out.data = "{\"seq\":" + out.id + ",\"event_type\":\"" + type + "\",\"execution_id\":\"" + id +
               "\",\"attempt\":" + std::to_string(attempt) + ",\"timestamp\":\"2026-11-21T09:43:27.00000" + out.id +
               "Z\"" + (more.empty() ? "" : "," + more) + "}";
    return out;
}

const std::string output_at_0 = R"("stream":"stdout","offset":0,"text":"abc")";
const std::string output_at_3 = R"("stream":"stdout","offset":3,"text":"de")";
const std::string good_end = R"("status":"completed","stdout_truncated":false)";

std::vector<http::client::server_event> good_life() {
    return {event(1, "execution_requested"),
            event(2, "execution_accepted"),
            event(3, "execution_queued"),
            event(4, "execution_scheduled"),
            event(5, "execution_started"),
            event(6, "execution_output", output_at_0),
            event(7, "execution_output", output_at_3),
            event(8, "execution_completed", good_end)};
}

findings after(const std::vector<http::client::server_event>& events) {
    findings out;
    event_checker checker(id, out);
    for (const auto& one : events) checker.take(one);
    return out;
}

TEST(event_checker, finds_nothing_in_a_good_life) {
    findings wrong;
    event_checker checker(id, wrong);
    for (const auto& one : good_life()) {
        EXPECT_FALSE(checker.ended());
        checker.take(one);
    }
    EXPECT_EQ(wrong.total(), 0U) << wrong.examples().front();
    EXPECT_TRUE(checker.ended());
    EXPECT_EQ(checker.status(), "completed");
    EXPECT_EQ(checker.last(), 8U);
    EXPECT_EQ(checker.standard_output(), "abcde");
    EXPECT_EQ(checker.times().started - checker.times().queued, 2);
    EXPECT_EQ(checker.times().ended - checker.times().last_started, 3);
}

TEST(event_checker, names_each_lie) {
    struct lie {
        const char* kind;
        std::function<void(std::vector<http::client::server_event>&)> tell;
    };
    const std::vector<lie> lies = {
        {"event_gap", [](auto& life) { life.erase(life.begin() + 5); }},
        {"event_twice", [](auto& life) { life.insert(life.begin() + 2, life[1]); }},
        {"ended_twice", [](auto& life) { life.push_back(event(9, "execution_failed", R"("status":"failed")")); }},
        {"event_behind_end", [](auto& life) { life.push_back(event(9, "execution_output", output_at_0)); }},
        {"event_order", [](auto& life) { std::swap(life[3].type, life[4].type); }},
        {"event_order", [](auto& life) { life[2] = event(3, "execution_scheduled"); }},
        {"output_hole",
         [](auto& life) { life[6] = event(7, "execution_output", R"("stream":"stdout","offset":4,"text":"e")"); }},
        {"event_foreign", [](auto& life) { life[1].data.replace(life[1].data.find("0192"), 4, "0193"); }},
        {"event_malformed", [](auto& life) { life[1].id = "7"; }},
        {"event_malformed", [](auto& life) { life[1].data = "{}"; }},
        {"event_malformed", [](auto& life) { life[7] = event(8, "execution_completed", R"("status":"failed")"); }}};
    for (const auto& one : lies) {
        auto life = good_life();
        one.tell(life);
        const auto wrong = after(life);
        EXPECT_TRUE(wrong.counts().contains(one.kind)) << one.kind << " among " << wrong.total();
    }
}

TEST(event_checker, follows_a_second_attempt_whose_output_begins_anew) {
    auto life = good_life();
    life.pop_back();
    life.push_back(event(8, "execution_attempt_ended"));
    life.push_back(event(9, "execution_queued", "", 2));
    EXPECT_EQ(after(life).total(), 0U);
    findings wrong;
    event_checker checker(id, wrong);
    for (const auto& one : life) checker.take(one);
    EXPECT_EQ(checker.standard_output(), "");
}

TEST(event_checker, takes_drains_and_resets_as_they_are_meant) {
    http::client::server_event drain;
    drain.type = "drain";
    drain.data = "{}";
    auto life = good_life();
    life.insert(life.begin() + 3, drain);
    EXPECT_EQ(after(life).total(), 0U);
    http::client::server_event reset = drain;
    reset.type = "reset";
    EXPECT_EQ(
        after({reset, event(7, "execution_output", output_at_3), event(8, "execution_completed", good_end)}).total(),
        0U);
}

TEST(event_checker, tells_changed_bytes_by_its_digest) {
    findings wrong;
    event_checker one(id, wrong), same(id, wrong), other(id, wrong);
    for (const auto& each : good_life()) one.take(each), same.take(each);
    auto changed = good_life();
    changed[1].data.insert(1, " ");
    for (const auto& each : changed) other.take(each);
    EXPECT_EQ(one.digest(), same.digest());
    EXPECT_NE(one.digest(), other.digest());
}

TEST(check_result, compares_with_the_workload_and_with_the_events) {
    workload_text text;
    text.expected_output = "abcde";
    const workload expected(text);
    findings wrong;
    event_checker checker(id, wrong);
    for (const auto& one : good_life()) checker.take(one);
    result_answer good;
    good.id = id;
    good.status = "completed";
    good.standard_output = "abcde";
    check_result(good, id, 1, expected, &checker, wrong);
    EXPECT_EQ(wrong.total(), 0U);
    auto printed = good;
    printed.standard_output = "abcdf";
    check_result(printed, id, 1, expected, &checker, wrong);
    EXPECT_EQ(wrong.counts(), (std::map<std::string, std::uint64_t>{{"result_differs", 1}, {"result_wrong", 1}}));
    auto ended = good;
    ended.status = "failed";
    check_result(ended, id, 1, expected, nullptr, wrong);
    EXPECT_EQ(wrong.counts().at("result_wrong"), 2U);
    auto foreign = good;
    foreign.id = "x";
    check_result(foreign, id, 1, expected, nullptr, wrong);
    EXPECT_EQ(wrong.counts().at("result_foreign"), 1U);
}

TEST(known_ids, finds_one_given_twice) {
    known_ids ids;
    const auto one = *runtime::execution_id::parse(id);
    EXPECT_TRUE(ids.add(one));
    EXPECT_FALSE(ids.add(one));
}

TEST(parse_time_us, reads_what_the_contract_writes) {
    EXPECT_EQ(parse_time_us("1970-01-01T00:00:01.000002Z"), 1'000'002);
    EXPECT_EQ(parse_time_us("2026-11-21T09:43:27.813051Z"), 1'795'254'207'813'051);
    EXPECT_EQ(parse_time_us("2026-11-21T09:43:27Z"), 1'795'254'207'000'000);
    EXPECT_EQ(parse_time_us("yesterday"), 0);
    EXPECT_EQ(parse_time_us("2026-11-21T09:43:27+01:00"), 0);
}

TEST(findings, count_all_and_keep_the_first_texts) {
    findings one;
    for (int i = 0; i < 60; ++i) one.add(finding("event_gap", "x"));
    findings other;
    other.add(finding("lost", "y"));
    other.merge(one);
    EXPECT_EQ(other.total(), 61U);
    EXPECT_EQ(other.examples().size(), findings::examples_max);
    EXPECT_EQ(other.examples().front(), "lost: y");
}

}  // namespace
}  // namespace bench
