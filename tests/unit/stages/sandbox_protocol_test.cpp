#include "stages/worker/sandbox/channel/protocol.hpp"

#include <gtest/gtest.h>

#include "runtime/base/random.hpp"

namespace stages::worker::sandbox {
namespace {

launch_packet a_launch() {
    launch_packet p;
    p.run = 0x1122334455667788;
    p.limits = {1, 2, 3ULL << 40, 4, 5};
    p.executable = "/usr/bin/python3.11";
    p.arguments = {"python3.11", "main.py", "", "ä\n"};
    p.environment = {"A=b"};
    p.file_name = "main.py";
    p.file_bytes = std::string("print(1)\0\xff", 10);
    p.files = {{"a", false, 0, 0, 10}, {"b/c.txt", true, 1, 7, 1ULL << 29}};
    p.keep_disk = true;
    p.terminal = {24, 80};
    p.network = true;
    p.warm = 2;
    p.own_arguments = 3;
    p.start = start_kind::parked;
    p.unfollowed = true;
    return p;
}

warm_packet a_warm_runtime() {
    return {3, "node20", start_kind::parked, "/usr/bin/node", {"node", "main.js"}, {"LD_PRELOAD=/.weir/warm.so"}};
}

launcher_packet a_beginning() {
    launcher_packet p;
    p.options.group_name = "weir-data";
    p.options.first_uid = 300'000;
    p.options.boxes_max = 7;
    p.options.etc = {"java-*"};
    p.options.pool_max = 8;
    p.options.warm_files = {{"python3", "usercustomize.py", "import os\n"}, {"node", "hook.js", ""}};
    p.options.highest_rung = rung::cgroup1;
    p.options.leftover_cpu = false;
    p.server = 4711;
    p.channels = 3;
    return p;
}

std::vector<packet> one_of_each() {
    ended_packet end;
    end.run = 7;
    end.how = box_end::killed;
    end.code = -9;
    end.killed_for = kill_reason::memory;
    end.process_limit_hit = true;
    end.wall_us = 12;
    end.cpu_us = 0;
    end.peak_processes = 3;
    end.message = "why";
    return {a_launch(),
            kill_packet{3, kill_reason::output},
            started_packet{9, start_kind::zygote},
            end,
            broker_wanted_packet{},
            broker_here_packet{42, "no"},
            report_packet{2, "a problem", {"this", "that"}},
            signal_packet{4, 15},
            a_warm_runtime(),
            park_packet{"/usr/bin/node", {"node"}, {"A=b"}},
            park_packet{},
            pool_packet{3, 1, 2, 4, 5, 6, 7, 8, 3, 4, 5, 6, "a problem"},
            a_beginning()};
}

TEST(sandbox_protocol, every_packet_comes_back_as_it_was) {
    for (const auto& what : one_of_each()) {
        const auto back = decode(encode(what));
        ASSERT_TRUE(back) << what.index();
        EXPECT_TRUE(*back == what) << what.index();
    }
}

TEST(sandbox_protocol, what_is_cut_short_or_goes_on_is_no_packet) {
    for (const auto& what : one_of_each()) {
        const std::string whole = encode(what);
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_FALSE(decode(std::string_view(whole).substr(0, size))) << what.index() << " " << size;
        EXPECT_FALSE(decode(whole + '\0'));
    }
}

TEST(sandbox_protocol, paths_in_a_box_stay_below_it) {
    std::string deep = "a";
    for (std::size_t depth = 1; depth < box_file_depth_max; ++depth) deep += "/a";
    for (const std::string& good : {std::string("a"), std::string("a.b/..c"), std::string("ä ö"), deep})
        EXPECT_TRUE(is_box_path(good)) << good;
    EXPECT_FALSE(is_box_path(deep + "/a"));
    EXPECT_FALSE(is_box_path(".."));
    EXPECT_FALSE(is_box_path("a/.."));
}

TEST(sandbox_protocol, another_version_is_refused) {
    std::string bytes = encode(started_packet{1});
    bytes[2] = static_cast<char>(protocol_version + 1);
    EXPECT_FALSE(decode(bytes));
}

TEST(sandbox_protocol, random_bytes_do_no_harm) {
    runtime::random_source random(11);
    for (int round = 0; round < 200'000; ++round) {
        std::string bytes(random.below(200), '\0');
        for (auto& c : bytes) c = static_cast<char>(random.next());
        if (bytes.size() >= 4 && random.below(4) != 0) {
            bytes[0] = 'W', bytes[1] = 'B';
            bytes[2] = static_cast<char>(protocol_version);
            bytes[3] = static_cast<char>(random.below(16));
        }
        // Small numbers look like lengths that fit.
        if (random.below(2) == 0)
            for (auto& c : bytes)
                if (random.below(2) == 0) c = static_cast<char>(random.below(3));
        if (const auto what = decode(bytes)) EXPECT_TRUE(decode(encode(*what)));
    }
}

TEST(sandbox_protocol, changed_packets_do_no_harm) {
    runtime::random_source random(12);
    const auto all = one_of_each();
    for (int round = 0; round < 100'000; ++round) {
        std::string bytes = encode(all[random.below(all.size())]);
        for (std::uint64_t i = random.below(4); i < 4; ++i)
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        if (const auto what = decode(bytes)) EXPECT_TRUE(*decode(encode(*what)) == *what);
    }
}

TEST(sandbox_protocol, a_launch_that_makes_no_sense_is_refused) {
    const auto refused = [](auto change) {
        launch_packet p = a_launch();
        change(p);
        return !decode(encode(p));
    };
    EXPECT_FALSE(refused([](launch_packet&) {}));
    EXPECT_TRUE(refused([](launch_packet& p) { p.limits.wall_ms = 0; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.limits.memory_bytes = 0; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.executable = "bin/true"; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.executable = ""; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.arguments.clear(); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.arguments.push_back(std::string("a\0b", 3)); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.arguments.resize(arguments_max + 1); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.environment.push_back(std::string("a\0b", 3)); }));
    for (const char* path : {"", "/etc/x", "../x", "a/../x", "a//x", "a/", "./x", "a/."})
        EXPECT_TRUE(refused([path](launch_packet& p) { p.files[0].path = path; })) << path;
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].path = std::string("a\0b", 3); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].path.assign(box_file_path_max + 1, 'x'); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].source = box_file_sources_max; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].bytes = UINT64_MAX; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].offset = UINT64_MAX; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.files[0].bytes = box_files_bytes_max; })) << "all together";
    EXPECT_TRUE(refused([](launch_packet& p) { p.files.resize(box_files_max + 1, p.files[0]); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.file_name = "../x"; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.file_name = ".."; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.file_name = std::string("a\0b", 3); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.file_name.assign(256, 'x'); }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.warm = warm_runtimes_max + 1; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.own_arguments = 5; }));
    EXPECT_TRUE(refused([](launch_packet& p) { p.start = static_cast<start_kind>(3); }));
}

TEST(sandbox_protocol, a_warm_runtime_that_makes_no_sense_is_refused) {
    const auto refused = [](auto change) {
        warm_packet p = a_warm_runtime();
        change(p);
        return !decode(encode(p));
    };
    EXPECT_FALSE(refused([](warm_packet&) {}));
    EXPECT_TRUE(refused([](warm_packet& p) { p.number = 0; }));
    EXPECT_TRUE(refused([](warm_packet& p) { p.number = warm_runtimes_max + 1; }));
    EXPECT_TRUE(refused([](warm_packet& p) { p.kind = start_kind::cold; }));
    EXPECT_TRUE(refused([](warm_packet& p) { p.executable = "node"; }));
    EXPECT_TRUE(refused([](warm_packet& p) { p.arguments.clear(); }));
    EXPECT_TRUE(refused([](warm_packet& p) { p.environment.push_back(std::string("a\0b", 3)); }));
    EXPECT_FALSE(decode(encode(park_packet{"node", {"node"}, {}})));
    EXPECT_FALSE(decode(encode(started_packet{1, static_cast<start_kind>(3)})));
}

TEST(sandbox_protocol, a_beginning_that_makes_no_sense_is_none) {
    const auto refused = [](auto change) {
        launcher_packet p = a_beginning();
        change(p);
        return !decode(encode(p)).has_value();
    };
    EXPECT_FALSE(refused([](launcher_packet&) {}));
    EXPECT_TRUE(refused([](launcher_packet& p) { p.options.boxes_max = 0; }));
    EXPECT_TRUE(refused([](launcher_packet& p) { p.options.highest_rung = static_cast<rung>(3); }));
    EXPECT_TRUE(refused([](launcher_packet& p) { p.server = 0; }));
    EXPECT_TRUE(refused([](launcher_packet& p) { p.channels = channels_max + 1; }));
    EXPECT_TRUE(refused([](launcher_packet& p) { p.options.warm_files.resize(warm_files_max + 1); }));
}

}  // namespace
}  // namespace stages::worker::sandbox
