#include "pipeline/network.hpp"

#include <gtest/gtest.h>

namespace pipeline {
namespace {

using runtime::ip_address;

host_rule rule(std::string_view text) {
    const auto out = parse_host_rule(text);
    EXPECT_TRUE(out) << text;
    return out.value_or(host_rule{});
}
destination to(std::string_view host, std::uint16_t port) {
    const auto out = parse_destination(host, port);
    EXPECT_TRUE(out) << host;
    return out.value_or(destination{});
}
ip_address ip(std::string_view text) { return *runtime::parse_ip_address(text); }
std::vector<address_rule> rules(std::initializer_list<const char*> texts) {
    std::vector<address_rule> out;
    for (const char* text : texts) {
        const auto one = parse_address_rule(text);
        EXPECT_TRUE(one) << text;
        if (one) out.push_back(*one);
    }
    return out;
}

TEST(destination, is_a_name_or_an_address_and_never_both) {
    EXPECT_EQ(to("API.Example.org.", 443).to_string(), "api.example.org:443");
    EXPECT_EQ(to("10.0.0.1", 1).address, ip("10.0.0.1"));
    EXPECT_EQ(to("[::ffff:10.0.0.1]", 1).to_string(), "10.0.0.1:1");
    EXPECT_EQ(to("[2606:4700::0:1]", 80).to_string(), "[2606:4700::1]:80");
    for (const char* host :
         {"",     ".",          "a..b",           "-a",         "a-",    "a b",         "a/b",  "a@b",
          "a%b",  "2130706433", "0x7f.1",         "0177.0.0.1", "127.1", "1.2.3.4.",    "::1",  "[::1",
          "::1]", "[10.0.0.1]", "[fe80::1%eth0]", "*",          "*.a",   "caf\xc3\xa9", "a\nb", "exa\tmple"})
        EXPECT_FALSE(parse_destination(host, 80)) << host;
    EXPECT_FALSE(parse_destination(std::string(64, 'a'), 80));
    EXPECT_FALSE(parse_destination(std::string_view("a\0b", 3), 80));
    std::string name =
        std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd');
    EXPECT_TRUE(parse_destination(name, 80));
    EXPECT_FALSE(parse_destination(name + "d", 80));
}

TEST(destination, has_a_port_in_decimal) {
    EXPECT_EQ(parse_port("65535"), 65535);
    for (const char* text : {"", "0", "65536", "080", "+80", "-1", " 80", "80 ", "0x50", "99999999999"})
        EXPECT_FALSE(parse_port(text)) << text;
}

TEST(host_rule, covers_what_it_names) {
    EXPECT_TRUE(rule("example.org:443").covers(to("EXAMPLE.org", 443)));
    EXPECT_FALSE(rule("example.org:443").covers(to("example.org", 80)));
    EXPECT_FALSE(rule("example.org:443").covers(to("www.example.org", 443)));
    EXPECT_FALSE(rule("example.org:443").covers(to("badexample.org", 443)));
    EXPECT_TRUE(rule("*.example.org:443").covers(to("a.b.example.org", 443)));
    EXPECT_FALSE(rule("*.example.org:443").covers(to("example.org", 443)));
    EXPECT_FALSE(rule("*.example.org:443").covers(to("badexample.org", 443)));
    EXPECT_TRUE(rule("example.org:*").covers(to("example.org", 1)));
    EXPECT_TRUE(rule("*:443").covers(to("10.0.0.1", 443)));
    EXPECT_FALSE(rule("*:443").covers(to("10.0.0.1", 444)));
    EXPECT_TRUE(rule("[::ffff:10.0.0.1]:80").covers(to("10.0.0.1", 80)));
    EXPECT_FALSE(rule("*.0.0.a:80").covers(to("10.0.0.1", 80)));
    EXPECT_EQ(rule("[2606::0:1]:*").to_string(), "[2606::1]:*");
    EXPECT_EQ(rule("*.A.org:1").to_string(), "*.a.org:1");
    for (const char* text : {"", "a", ":80", "a:", "a:0", "*.:80", "**:80", "a.*.b:80", "*a.b:80", "*.1.2.3:80",
                             "0x7f.1:80", "::1:80", "http://a:80", "a:80/x", "a:80-90", "u@a:80", "[10.0.0.1]:80"})
        EXPECT_FALSE(parse_host_rule(text)) << text;
}

TEST(host_rule, covers_narrower_ones) {
    EXPECT_TRUE(rule("*:*").covers(rule("*.a:1")));
    EXPECT_TRUE(rule("*:443").covers(rule("a:443")));
    EXPECT_FALSE(rule("*:443").covers(rule("a:*"))) << "any port is wider";
    EXPECT_FALSE(rule("a:443").covers(rule("*:443")));
    EXPECT_TRUE(rule("*.a:1").covers(rule("*.a:1")));
    EXPECT_TRUE(rule("*.a:1").covers(rule("*.b.a:1")));
    EXPECT_FALSE(rule("*.b.a:1").covers(rule("*.a:1")));
    EXPECT_FALSE(rule("*.a:1").covers(rule("a:1")));
    EXPECT_FALSE(rule("a:1").covers(rule("*.a:1")));
    EXPECT_TRUE(rule("10.0.0.1:*").covers(rule("[::ffff:a00:1]:5")));
    EXPECT_FALSE(rule("10.0.0.1:*").covers(rule("10.0.0.2:5")));
}

TEST(address_rule, has_a_range_and_a_port) {
    EXPECT_TRUE(rules({"10.0.0.0/8:5432"})[0].covers(ip("10.1.1.1"), 5432));
    EXPECT_FALSE(rules({"10.0.0.0/8:5432"})[0].covers(ip("10.1.1.1"), 5433));
    EXPECT_TRUE(rules({"fd00::/8"})[0].covers(ip("fd00::1"), 9));
    EXPECT_TRUE(rules({"[fd00::/8]:9"})[0].covers(ip("fd00::1"), 9));
    EXPECT_FALSE(rules({"[fd00::/8]:9"})[0].covers(ip("fd00::1"), 8));
    EXPECT_TRUE(rules({"0.0.0.0/0:25"})[0].covers(ip("9.9.9.9"), 25));
    for (const char* text : {"", "a", "10.0.0.0/8:", "10.0.0.1/8", ":80", "[fd00::/8", "[fd00::/8]x:1", "10.0.0.0/8:0"})
        EXPECT_FALSE(parse_address_rule(text)) << text;
}

TEST(network_policy, hosts_need_the_request_and_the_operator) {
    network_policy policy;
    const std::vector asked{rule("a.org:443"), rule("b.org:443")};
    EXPECT_EQ(judge_host(policy, network_mode::allow, asked, to("a.org", 443)), network_refusal::not_in_operator_list);
    policy.hosts = {rule("a.org:*")};
    EXPECT_EQ(judge_host(policy, network_mode::allow, asked, to("a.org", 443)), network_refusal::none);
    EXPECT_EQ(judge_host(policy, network_mode::allow, asked, to("a.org", 80)), network_refusal::not_in_request);
    EXPECT_EQ(judge_host(policy, network_mode::allow, asked, to("b.org", 443)), network_refusal::not_in_operator_list);
    EXPECT_EQ(judge_host(policy, network_mode::allow, asked, to("c.org", 443)), network_refusal::not_in_request);
    EXPECT_EQ(judge_host(policy, network_mode::none, asked, to("a.org", 443)), network_refusal::not_in_request);
    EXPECT_EQ(judge_host(policy, network_mode::open, {}, to("c.org", 1)), network_refusal::none);
}

TEST(network_policy, addresses_of_the_internet_only) {
    network_policy policy;
    policy.hosts = {rule("*:*")};
    const auto judge = [&policy](const char* address, std::uint16_t port = 443) {
        return judge_address(policy, ip(address), port, {}, 0);
    };
    EXPECT_EQ(judge("1.1.1.1"), network_refusal::none);
    EXPECT_EQ(judge("64:ff9b::101:101"), network_refusal::none);
    EXPECT_EQ(judge("64:ff9b::a00:1"), network_refusal::forbidden_address);
    for (const char* address : {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "169.254.1.1",
                                "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.1.1.1", "fd00::1", "fe80::1",
                                "fd00:ec2::254", "ff02::1", "2002:a00:1::", "::a00:1", "198.18.0.1", "168.63.129.16"})
        EXPECT_EQ(judge(address), network_refusal::forbidden_address) << address;
    for (const char* address : {"127.0.0.1", "127.8.8.8", "::1"})
        EXPECT_EQ(judge(address), network_refusal::own_address);
    policy.reachable = rules({"10.0.0.0/8:5432", "169.254.0.0/16", "fd00::/8", "0.0.0.0/0:99", "127.0.0.0/8"});
    EXPECT_EQ(judge("10.0.0.1", 5432), network_refusal::none);
    EXPECT_EQ(judge("10.0.0.1", 5433), network_refusal::forbidden_address);
    EXPECT_EQ(judge("169.254.169.254"), network_refusal::forbidden_address) << "nobody may list metadata";
    EXPECT_EQ(judge("169.254.1.1"), network_refusal::forbidden_address);
    EXPECT_EQ(judge("fd00:ec2::254"), network_refusal::forbidden_address);
    EXPECT_EQ(judge("0.0.0.0", 99), network_refusal::forbidden_address);
    EXPECT_EQ(judge("fd01::1"), network_refusal::none);
    EXPECT_EQ(judge("127.0.0.1"), network_refusal::own_address) << "a range does not mean the node";
    policy.never = rules({"0.0.0.0/0:25", "1.2.3.4", "10.0.0.9"});
    EXPECT_EQ(judge("1.1.1.1", 25), network_refusal::forbidden_address);
    EXPECT_EQ(judge("1.2.3.4"), network_refusal::forbidden_address);
    EXPECT_EQ(judge("10.0.0.9", 5432), network_refusal::forbidden_address) << "never counts before reachable";
}

TEST(network_policy, the_node_is_closed_but_for_what_is_meant) {
    network_policy policy;
    const std::vector own{ip("127.0.0.1"), ip("10.0.0.7"), ip("9.9.9.9")};
    const auto judge = [&](const char* address, std::uint16_t port) {
        return judge_address(policy, ip(address), port, own, 8080);
    };
    EXPECT_EQ(judge("9.9.9.9", 443), network_refusal::own_address) << "a public address of the node is the node";
    EXPECT_EQ(judge("::ffff:9.9.9.9", 443), network_refusal::own_address);
    policy.reachable = rules({"10.0.0.0/8", "10.0.0.7:9000", "127.0.0.1:8080", "127.0.0.1", "10.0.0.7:8080"});
    EXPECT_EQ(judge("10.0.0.7", 9000), network_refusal::none);
    EXPECT_EQ(judge("10.0.0.7", 9001), network_refusal::own_address);
    EXPECT_EQ(judge("10.0.0.8", 9001), network_refusal::none);
    EXPECT_EQ(judge("127.0.0.1", 8080), network_refusal::own_address) << "the server's own port, whatever is said";
    EXPECT_EQ(judge("10.0.0.7", 8080), network_refusal::own_address);
    EXPECT_EQ(judge("127.0.0.1", 9000), network_refusal::own_address) << "an address without a port is not enough";
}

TEST(network_policy, open_is_for_those_who_are_named) {
    network_policy policy;
    EXPECT_FALSE(policy.may_open("python", true));
    policy.open = {"python"};
    EXPECT_TRUE(policy.may_open("python", false));
    EXPECT_FALSE(policy.may_open("bash", true));
    policy.open = {"admin"};
    EXPECT_TRUE(policy.may_open("bash", true));
    EXPECT_FALSE(policy.may_open("bash", false));
    policy.open = {"*"};
    EXPECT_TRUE(policy.may_open("bash", false));
}

}  // namespace
}  // namespace pipeline
