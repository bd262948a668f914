#include "app/config.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace app {
namespace {

using strings = std::vector<std::string>;

loaded_settings load(const strings& arguments, const strings& environment = {}) {
    return load_settings(arguments, environment);
}

TEST(settings, have_the_contracts_defaults) {
    const auto got = load({});
    EXPECT_EQ(got.errors, strings{});
    EXPECT_EQ(got.warnings, strings{});
    EXPECT_EQ(got.values.listen.to_string(), "127.0.0.1:8080");
    EXPECT_EQ(got.values.data_directory, "./data");
    EXPECT_EQ(got.values.admission.queued_max, 100'000U);
    EXPECT_EQ(got.values.admission.user_open_max, 0U);
    EXPECT_EQ(got.values.sse.connections_max, 200'000U);
    EXPECT_EQ(got.values.shutdown.grace, milliseconds(5000));
    EXPECT_EQ(got.values.idempotency.key_ttl, milliseconds(86'400'000));
    EXPECT_EQ(got.values.http.body_bytes_max, 10U << 20);
    EXPECT_EQ(got.values.limits_default.wall_ms, 300'000U);
    EXPECT_EQ(got.values.limits_max.memory_bytes, 4ULL << 30);
    EXPECT_FALSE(got.values.executor.noop);
    EXPECT_FALSE(got.values.sandbox.weak_limits);
}

TEST(settings, take_every_property_of_the_table) {
    // load_settings itself aborts when the struct leaves a property unread.
    strings flags;
    for (const auto& p : properties()) flags.push_back("--" + std::string(p.name) + "=" + std::string(p.default_value));
    EXPECT_EQ(load(flags).errors, strings{});
}

TEST(settings, take_the_named_flags) {
    const auto got = load({"--listen", "0.0.0.0:0", "--insecure-no-auth", "--data=/tmp/x", "--shards", "2", "--seats=3",
                           "--executor", "noop:25", "--sandbox-limits", "weak", "--show-config"});
    EXPECT_EQ(got.errors, strings{});
    EXPECT_EQ(got.values.listen.to_string(), "0.0.0.0:0");
    EXPECT_TRUE(got.values.insecure_no_auth);
    EXPECT_EQ(got.values.data_directory, "/tmp/x");
    EXPECT_EQ(got.values.shards, 2U);
    EXPECT_EQ(got.values.seats, 3U);
    EXPECT_TRUE(got.values.executor.noop);
    EXPECT_EQ(got.values.executor.noop_lasts, milliseconds(25));
    EXPECT_TRUE(got.values.sandbox.weak_limits);
    EXPECT_TRUE(got.show_config);
    EXPECT_NE(got.shown.find("--sandbox-limits"), std::string::npos);
}

TEST(settings, noop_may_print) {
    const auto got = load({"--executor", "noop:60000,8/250"});
    EXPECT_EQ(got.errors, strings{});
    EXPECT_EQ(got.values.executor.noop_lasts, milliseconds(60'000));
    EXPECT_EQ(got.values.executor.noop_lines, 8U);
    EXPECT_EQ(got.values.executor.noop_period, milliseconds(250));
}

TEST(settings, read_what_programs_may_reach) {
    const auto got = load({"--network.hosts", "a.org:443, *.b.org:*,", "--network.open=python,admin",
                           "--network.reachable=10.0.0.0/8:5432", "--network.never", "0.0.0.0/0:25,[fd00::/8]:1"});
    EXPECT_EQ(got.errors, strings{});
    ASSERT_EQ(got.values.network.hosts.size(), 2U);
    EXPECT_EQ(got.values.network.hosts[1].to_string(), "*.b.org:*");
    EXPECT_EQ(got.values.network.open, (strings{"python", "admin"}));
    EXPECT_EQ(got.values.network.reachable.size(), 1U);
    EXPECT_EQ(got.values.network.never.size(), 2U);
    EXPECT_TRUE(load({}).values.network.hosts.empty()) << "nobody has a network by default";
    EXPECT_TRUE(load({}).values.network.open.empty());
    const auto wrong =
        load({"--network.hosts", "a.org", "--network.reachable", "10.0.0.1/8", "--network.never", "x,1.2.3.4"});
    ASSERT_EQ(wrong.errors.size(), 3U);
    EXPECT_NE(wrong.errors[0].find("network.hosts: \"a.org\" is not host:port"), std::string::npos) << wrong.errors[0];
}

TEST(settings, refuse_what_does_not_fit_together) {
    const auto default_above_max = load({"--limits.max.wall_ms=1s"});
    ASSERT_EQ(default_above_max.errors.size(), 1U);
    EXPECT_EQ(default_above_max.errors[0], "limits.default.wall_ms: 300000 is above limits.max.wall_ms, 1000");
    for (const char* wrong :
         {"noop:x", "noop:", "noop:5,", "noop:5,8", "noop:5,8/0", "noop:5,10000/1", "noop:100000000"})
        EXPECT_EQ(load({"--executor", wrong}).errors.size(), 1U) << wrong;
    EXPECT_EQ(load({"--executor=docker"}).errors.size(), 1U);
    EXPECT_EQ(load({"--data="}).errors.size(), 1U);
    EXPECT_EQ(load({"--config"}).errors.size(), 1U);
    EXPECT_EQ(load({"--config=/nonexistent/weir.yaml"}).errors.size(), 1U);
}

TEST(settings, know_the_clients_variables) {
    const auto got = load({}, {"WEIR_SERVER=http://x", "WEIR_TYPO=1", "HOME=/root"});
    ASSERT_EQ(got.warnings.size(), 1U);
    EXPECT_EQ(got.warnings[0], "WEIR_TYPO: there is no such property; the variable is ignored");
}

TEST(configuration_page, is_what_is_committed) {
    const std::string path = std::string(WEIR_DOCS_DIR) + "/configuration.md";
    if (std::getenv("WEIR_TEST_REWRITE_DOCS") != nullptr) std::ofstream(path) << configuration_page();
    std::ifstream in(path);
    std::stringstream committed;
    committed << in.rdbuf();
    EXPECT_EQ(committed.str(), configuration_page()) << "run this test with WEIR_TEST_REWRITE_DOCS=1";
}

}  // namespace
}  // namespace app
