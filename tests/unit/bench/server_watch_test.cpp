#include "bench/server_watch.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/http/client/scripted_server.hpp"

namespace bench {
namespace {

TEST(parse_metrics, reads_samples_and_skips_the_rest) {
    const auto read = parse_metrics("# HELP a x\n# TYPE a counter\na 5\nb{c=\"d e\"} 0.5\nbad line\n\nc 1e3\nlast 7");
    EXPECT_EQ(read.size(), 4U);
    EXPECT_EQ(read.at("a"), 5);
    EXPECT_EQ(read.at("b{c=\"d e\"}"), 0.5);
    EXPECT_EQ(read.at("c"), 1000);
    EXPECT_EQ(read.at("last"), 7);
}

TEST(use_of_process, tells_cpu_and_memory) {
    const auto own = use_of_process(static_cast<std::uint64_t>(getpid()));
    ASSERT_TRUE(own);
    EXPECT_GT(own->rss_mib, 1);
    EXPECT_LT(own->rss_mib, 100'000);
    EXPECT_FALSE(use_of_process(0x7fffffff));
}

TEST(find_listener, finds_the_process_by_its_port) {
    const http::client::scripted_server server({[](auto&) {}});
    EXPECT_EQ(find_listener(server.port()), static_cast<std::uint64_t>(getpid()));
    EXPECT_EQ(find_listener(1), 0U);
}

}  // namespace
}  // namespace bench
