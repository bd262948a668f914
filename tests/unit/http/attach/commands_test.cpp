#include "http/attach/commands.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace http::attach {
namespace {

std::string read(std::string text, command& out) {
    command_reader reader;
    return reader.read(text, out);
}

TEST(attach_commands, are_read) {
    command out;
    EXPECT_EQ(read(R"({"type":"resize","rows":1,"columns":1000})", out), "");
    EXPECT_EQ(out.what, command::kind::resize);
    EXPECT_EQ(out.size, (pipeline::terminal_size{1, 1000}));
    EXPECT_EQ(read(R"({"type":"signal","name":"SIGUSR1"})", out), "");
    EXPECT_EQ(out.what, command::kind::signal);
    EXPECT_EQ(out.signal, SIGUSR1);
    EXPECT_EQ(read(R"({"type":"end"})", out), "");
    EXPECT_EQ(out.what, command::kind::end);
}

TEST(attach_commands, that_are_wrong_name_the_field_and_its_limit) {
    command out;
    for (const char* text : {"", "[]", "1", "{", "hello"})
        EXPECT_EQ(read(text, out), "a text message must be a JSON object") << text;
    for (const char* text : {"{}", R"({"type":1})", R"({"type":"dance"})"})
        EXPECT_EQ(read(text, out), "type must be resize, signal or end") << text;
    EXPECT_EQ(read(R"({"type":"resize","rows":0,"columns":80})", out), "rows must be a whole number from 1 to 1000");
    EXPECT_EQ(read(R"({"type":"resize","rows":24})", out), "columns must be a whole number from 1 to 1000");
    EXPECT_EQ(read(R"({"type":"resize","rows":24,"columns":1001})", out),
              "columns must be a whole number from 1 to 1000");
    for (const char* text : {R"({"type":"signal"})", R"({"type":"signal","name":"SIGSTOP"})",
                             R"({"type":"signal","name":9})", R"({"type":"signal","name":"INT"})"})
        EXPECT_TRUE(read(text, out).starts_with("name must be SIGHUP, ")) << text;
}

}  // namespace
}  // namespace http::attach
