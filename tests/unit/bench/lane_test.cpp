#include "bench/lane.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/two_shards.hpp"
#include "tests/unit/http/client/scripted_server.hpp"

namespace bench {
namespace {

using http::client::scripted_connection;
using http::client::scripted_server;
using runtime::milliseconds;
using runtime::seconds;
using runtime::task;

// Accepts one post after the other on one connection, each after the same time.
scripted_server::script slow_server(int delay_ms, bool same_id = false) {
    return [delay_ms, same_id](scripted_connection& client) {
        for (int n = 0; !client.read_request().empty(); ++n) {
            std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
            char id[40];
            std::snprintf(id, sizeof id, "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e%04x", same_id ? 1 : n);
            const std::string body = "{\"execution_id\":\"" + std::string(id) + "\",\"status\":\"queued\"}";
            client.write("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
        }
    };
}

recorder loaded(const scripted_server& server, load_options options, double rate) {
    lane_setup setup;
    setup.server = http::client::url{"127.0.0.1", server.port(), ""};
    setup.options = std::move(options);
    recorder out;
    tests::machine_shards shards;
    shards.run(0, [&]() -> task<void> {
        auto& home = runtime::shard::here();
        lane tested(home, setup, {});
        segment what;
        what.begin = home.time().steady();
        what.length = seconds(1);
        what.rate = rate;
        what.seed = 1;
        out = co_await tested.run_arrivals(what);
        co_await tested.stop();
    });
    return out;
}

load_options one_connection() {
    load_options out;
    out.watch = watch_kind::none;
    out.arrivals = arrival_kind::fixed;
    out.connections_max = 1;
    out.repeat_share = 0;
    out.drain = milliseconds(5'000);
    return out;
}

// The server takes 50 ms for each and gets one every 25 ms: by its own measure each takes 50 ms, and yet the last one
// is answered about a second late. Without the correction nobody would see it.
TEST(lane, measures_from_when_a_call_was_due_as_well) {
    const scripted_server server({slow_server(50)});
    const auto measured = loaded(server, one_connection(), 40);
    EXPECT_EQ(measured.counts.planned, 40U);
    EXPECT_EQ(measured.counts.accepted, 40U);
    EXPECT_EQ(measured.wrong.total(), 0U);
    const auto& sent = measured.of(clock_name::accepted);
    const auto& due = measured.of(clock_name::accepted_corrected);
    EXPECT_GE(sent.min(), 50'000U);
    EXPECT_LT(sent.quantile(0.9), 200'000U);
    EXPECT_GE(due.max(), 900'000U);
    EXPECT_GE(due.quantile(0.5), 400'000U);
    // The clock of arrivals was not slowed by it.
    EXPECT_LT(measured.of(clock_name::lateness).quantile(0.5), 20'000U);
    EXPECT_GE(measured.of(clock_name::connection_wait).max(), 800'000U);
}

TEST(lane, drops_what_is_above_its_bound_and_says_so) {
    const scripted_server server({slow_server(50)});
    auto options = one_connection();
    options.open_max = 3;
    const auto measured = loaded(server, options, 100);
    EXPECT_GT(measured.counts.dropped, 50U);
    EXPECT_EQ(measured.counts.dropped + measured.counts.accepted, 100U);
    EXPECT_EQ(measured.errors.at("not_sent.open_max"), measured.counts.dropped);
}

TEST(lane, finds_an_id_that_two_keys_were_given) {
    const scripted_server server({slow_server(0, true)});
    const auto measured = loaded(server, one_connection(), 10);
    EXPECT_EQ(measured.wrong.counts().at("id_given_twice"), 9U);
}

}  // namespace
}  // namespace bench
