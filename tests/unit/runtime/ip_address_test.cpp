#include "runtime/base/ip_address.hpp"

#include <gtest/gtest.h>

namespace runtime {
namespace {

address_kind kind(std::string_view text) {
    const auto address = parse_ip_address(text);
    EXPECT_TRUE(address) << text;
    return address ? kind_of(*address) : address_kind::reserved;
}

TEST(ip_address, has_one_value_for_both_forms) {
    EXPECT_EQ(parse_ip_address("10.1.2.3"), parse_ip_address("::ffff:10.1.2.3"));
    EXPECT_EQ(parse_ip_address("10.1.2.3"), parse_ip_address("::FFFF:a01:203"));
    EXPECT_EQ(parse_ip_address("::ffff:10.1.2.3")->to_string(), "10.1.2.3");
    EXPECT_EQ(parse_ip_address("2606:4700::0:1111")->to_string(), "2606:4700::1111");
    EXPECT_NE(parse_ip_address("::a01:203"), parse_ip_address("10.1.2.3"));
}

TEST(ip_address, knows_one_way_to_write_it) {
    for (const char* text : {"",
                             "127.1",
                             "2130706433",
                             "0x7f000001",
                             "0177.0.0.1",
                             "127.0.0.01",
                             "127.0.0.256",
                             "127.0.0.1.",
                             " 127.0.0.1",
                             "127.0.0.1 ",
                             "1.2.3",
                             "1.2.3.4.5",
                             "0x7f.0.0.1",
                             "[::1]",
                             "fe80::1%eth0",
                             "::1%1",
                             "1::2::3",
                             "12345::",
                             "::ffff:0177.0.0.1",
                             "localhost"})
        EXPECT_FALSE(parse_ip_address(text)) << text;
    EXPECT_FALSE(parse_ip_address(std::string_view("127.0.0.1\0", 10)));
}

TEST(ip_address, knows_what_others_could_take_for_an_address) {
    for (const char* host : {"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "a.1", "0x7f.1", "1.2.3.4", "1.2.3.4.",
                             "foo.0xA", "0X7F", "0x"})
        EXPECT_TRUE(looks_like_ipv4(host)) << host;
    for (const char* host : {"a", "1a", "example.org", "1.2.3.4.nip.io", "0x7g", "x0", "", ".", "127.0.0.1.."})
        EXPECT_FALSE(looks_like_ipv4(host)) << host;
}

TEST(ip_address, of_every_special_range_is_special) {
    const auto expect = [](address_kind wanted, std::initializer_list<const char*> addresses) {
        for (const char* text : addresses) {
            EXPECT_EQ(kind(text), wanted) << text;
            if (std::string_view(text).find(':') != std::string_view::npos) continue;
            EXPECT_EQ(kind("::ffff:" + std::string(text)), wanted) << "mapped " << text;
            EXPECT_EQ(kind("64:ff9b::" + std::string(text)), wanted) << "translated " << text;
        }
    };
    expect(address_kind::metadata, {"169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
                                    "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"});
    expect(address_kind::loopback, {"127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"});
    expect(address_kind::private_use,
           {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255",
            "100.64.0.0", "100.127.255.255", "fc00::", "fd12:3456::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
    expect(address_kind::link_local, {"169.254.0.0", "169.254.255.255", "169.254.169.253", "fe80::", "febf::1"});
    expect(address_kind::multicast, {"224.0.0.1", "239.255.255.255", "ff02::1", "ff00::"});
    expect(address_kind::reserved, {"0.0.0.0",
                                    "0.255.255.255",
                                    "192.0.0.1",
                                    "192.0.2.1",
                                    "198.51.100.1",
                                    "203.0.113.255",
                                    "192.88.99.1",
                                    "198.18.0.0",
                                    "198.19.255.255",
                                    "240.0.0.0",
                                    "255.255.255.255",
                                    "::",
                                    "::2",
                                    "::127.0.0.1",
                                    "100::1",
                                    "64:ff9b:1::1",
                                    "2001::1",
                                    "2001:db8::1",
                                    "2002:7f00:1::",
                                    "3fff::1",
                                    "fec0::1",
                                    "4000::1",
                                    "1::1"});
    expect(address_kind::global, {"1.1.1.1",         "8.8.8.8",         "9.255.255.255",        "11.0.0.0",
                                  "172.15.255.255",  "172.32.0.0",      "192.167.0.1",          "192.169.0.0",
                                  "100.63.255.255",  "100.128.0.0",     "126.255.255.255",      "128.0.0.0",
                                  "169.253.1.1",     "169.255.0.0",     "198.17.255.255",       "198.20.0.0",
                                  "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"});
}

TEST(ip_range, contains_what_it_says) {
    const auto ten = *parse_ip_range("10.0.0.0/8");
    EXPECT_TRUE(ten.contains(*parse_ip_address("10.255.0.1")));
    EXPECT_TRUE(ten.contains(*parse_ip_address("::ffff:10.0.0.1")));
    EXPECT_FALSE(ten.contains(*parse_ip_address("11.0.0.1")));
    EXPECT_FALSE(ten.contains(*parse_ip_address("::10.0.0.1")));
    EXPECT_TRUE(parse_ip_range("0.0.0.0/0")->contains(*parse_ip_address("255.1.1.1")));
    EXPECT_FALSE(parse_ip_range("0.0.0.0/0")->contains(*parse_ip_address("2606::1")));
    EXPECT_TRUE(parse_ip_range("172.16.0.0/12")->contains(*parse_ip_address("172.31.0.1")));
    EXPECT_FALSE(parse_ip_range("172.16.0.0/12")->contains(*parse_ip_address("172.32.0.1")));
    EXPECT_TRUE(parse_ip_range("10.1.2.3")->is_one_address());
    EXPECT_TRUE(parse_ip_range("fd00::/8")->contains(*parse_ip_address("fd12::1")));
    for (const char* text : {"10.0.0.0/33", "10.0.0.1/8", "10/8", "fd00::/129", "10.0.0.0/", "10.0.0.0/x",
                             "10.0.0.0/-1", "/8", "", "10.0.0.0/8/8", "fd00::1/64"})
        EXPECT_FALSE(parse_ip_range(text)) << text;
}

}  // namespace
}  // namespace runtime
