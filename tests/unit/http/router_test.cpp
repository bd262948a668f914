#include "http/router.hpp"

#include <gtest/gtest.h>

namespace http {
namespace {

using front_door::method;

TEST(router, finds_routes_and_their_parameters) {
    const auto found = match(method::get, "/api/v1/executions/abc/result");
    ASSERT_NE(found.found, nullptr);
    EXPECT_EQ(found.found->name, "get_result");
    EXPECT_EQ(found.parameters[0], "abc");
    EXPECT_EQ(match(method::get, "/api/v1/executions").found->name, "list_executions");
    EXPECT_EQ(match(method::head, "/livez").found->name, "livez");
}

TEST(router, decodes_escapes_once) {
    const auto found = match(method::get, "/%61pi/v1/executions/a%2Fb");
    ASSERT_NE(found.found, nullptr);
    EXPECT_EQ(found.parameters[0], "a/b");
    EXPECT_EQ(match(method::get, "/api/v1/executions/a%00b").found, nullptr);
    EXPECT_EQ(match(method::get, "/problems/%2563").parameters[0], "%63");
}

TEST(router, tells_no_path_from_no_method) {
    EXPECT_TRUE(match(method::get, "/nothing").allow.empty());
    EXPECT_TRUE(match(method::get, "/api/v1/executions/").allow.empty());
    EXPECT_TRUE(match(method::get, "/api/v1/executions//result").allow.empty());
    EXPECT_TRUE(match(method::get, "/livez/").allow.empty());
    EXPECT_TRUE(match(method::get, "").allow.empty());
    EXPECT_TRUE(match(method::get, "*").allow.empty());
    EXPECT_TRUE(match(method::get, "//livez").allow.empty());
    EXPECT_EQ(match(method::post, "/livez").allow, "GET, HEAD, OPTIONS");
    EXPECT_EQ(match(method::get, "/api/v1/execute").allow, "POST, OPTIONS");
    EXPECT_EQ(match(method::delete_, "/api/v1/executions/x").allow, "GET, HEAD, OPTIONS");
}

TEST(router, decodes_percent_escapes) {
    EXPECT_EQ(percent_decoded("a%20b+c"), "a b+c");
    EXPECT_EQ(percent_decoded("a+b", true), "a b");
    EXPECT_FALSE(percent_decoded("%"));
    EXPECT_FALSE(percent_decoded("%4"));
    EXPECT_FALSE(percent_decoded("%4g"));
    EXPECT_FALSE(percent_decoded("%00"));
}

}  // namespace
}  // namespace http
