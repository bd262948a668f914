// Files into a box and out of it again: what comes out is a regular file of the box and nothing else, whatever the
// program has put in its place.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;
using stages::worker::kept_output;
using stages::worker::output_fault;

class outputs : public hostile {
  protected:
    static stages::worker::launch_request request(const std::string& script, std::vector<std::string> paths) {
        auto out = sandbox_host::request("bash", script);
        out.outputs = std::move(paths);
        out.output_each_max = 1U << 20;
        out.outputs_together_max = 3U << 20;
        return out;
    }
    outcome run(const std::string& script, std::vector<std::string> paths) {
        return host.run(request(script, std::move(paths)));
    }
    static void expect_fault(const outcome& out, std::size_t index, output_fault fault) {
        ASSERT_LT(index, out.verdict.outputs.size()) << out.verdict.message;
        const kept_output& one = out.verdict.outputs[index];
        EXPECT_EQ(static_cast<int>(one.fault), static_cast<int>(fault)) << one.path << " " << out.standard_error;
        EXPECT_EQ(one.bytes, "") << one.path;
    }
};

TEST_F(outputs, regular_files_come_out_byte_for_byte) {
    const auto out =
        run("mkdir -p a/b; printf 'x\\0\\377' > a/b/c; : > empty; head -c 1048576 /dev/zero > whole; "
            "ln whole hard; chmod 000 empty; exit 3",
            {"whole", "a/b/c", "empty", "hard"});
    EXPECT_EQ(out.verdict.exit_code, 3);
    ASSERT_EQ(out.verdict.outputs.size(), 4U);
    EXPECT_EQ(out.verdict.outputs[0].bytes, std::string(1U << 20, '\0'));
    EXPECT_EQ(out.verdict.outputs[1].bytes, std::string("x\0\xff", 3));
    EXPECT_EQ(out.verdict.outputs[1].path, "a/b/c");
    EXPECT_EQ(out.verdict.outputs[2].bytes, "");
    EXPECT_EQ(out.verdict.outputs[3].bytes.size(), 1U << 20);
    ASSERT_TRUE(out.verdict.isolation);
    if (!sandbox_host::starts_warm())
        EXPECT_EQ(static_cast<int>(out.verdict.isolation->start), static_cast<int>(stages::worker::box_start::cold));
}

TEST_F(outputs, nothing_but_a_regular_file_of_the_box) {
    const auto out =
        run("ln -s /etc/passwd link; ln -s real inner; echo real > real; mkfifo pipe; mkdir folder; "
            "mkdir -p deep; echo hidden > deep/file; ln -s deep through; ln -s / root; ln -s .. up; "
            "ln -s /proc/self/fd/0 magic; ln -s loop loop; mknod device c 1 3 2>/dev/null; "
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'",
            {"link", "inner", "pipe", "folder", "through/file", "root/etc/passwd", "up/etc/passwd", "magic", "loop",
             "socket", "device", "absent", "real/below", "real"});
    for (const std::size_t irregular : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
        expect_fault(out, irregular, output_fault::not_regular);
    for (const std::size_t absent : {10, 11, 12}) expect_fault(out, absent, output_fault::not_found);
    EXPECT_EQ(out.verdict.outputs[13].bytes, "real\n") << "and it stops nobody from getting what is one";
}

TEST_F(outputs, sizes_are_bounded_each_and_together) {
    auto what = request(
        "truncate -s 15M sparse; head -c 1048577 /dev/zero > more; "
        "for i in 1 2 3 4; do head -c 1000000 /dev/zero > $i; done; echo small > small",
        {"sparse", "more", "1", "2", "3", "4", "small"});
    const auto out = host.run(what);
    expect_fault(out, 0, output_fault::too_large);
    expect_fault(out, 1, output_fault::too_large);
    for (const std::size_t good : {2, 3, 4}) EXPECT_EQ(out.verdict.outputs[good].bytes.size(), 1'000'000U);
    expect_fault(out, 5, output_fault::too_large_together);
    EXPECT_EQ(out.verdict.outputs[6].bytes, "small\n");
}

TEST_F(outputs, come_out_whatever_ended_the_program) {
    auto what = request("echo begun > out; sleep 100", {"out"});
    what.limits.wall_ms = 500;
    auto out = host.run(what);
    EXPECT_EQ(out.verdict.ended_by, cause::timeout_wall);
    EXPECT_EQ(out.verdict.outputs.at(0).bytes, "begun\n");
    out = run("echo dying > out; kill -KILL $$", {"out"});
    EXPECT_EQ(out.verdict.signal, 9);
    EXPECT_EQ(out.verdict.outputs.at(0).bytes, "dying\n");
    run_options options;
    options.cancel_after_ms = 400;
    out = host.run(request("echo cancelled > out; sleep 100", {"out"}), options);
    EXPECT_EQ(out.verdict.ended_by, cause::cancelled);
    if (!out.standard_output.empty()) EXPECT_EQ(out.verdict.outputs.at(0).bytes, "cancelled\n");
    // Who is left behind changes nothing any more.
    out = run("setsid bash -c 'while :; do echo daemon > out; done' & sleep 0.1; echo done", {"out"});
    EXPECT_EQ(out.standard_output, "done\n");
    EXPECT_TRUE(out.verdict.outputs.at(0).bytes == "daemon\n" || out.verdict.outputs.at(0).bytes.empty());
}

TEST_F(outputs, a_crowd_of_files_costs_nothing) {
    auto what = request(
        "mkdir crowd; cd crowd; echo wanted > 77777; "
        "python3 -c 'for i in range(100000): open(str(i), \"a\").close()' 2>/dev/null; true",
        {"crowd/77777", "crowd/99999"});
    what.limits.disk_bytes = 512ULL << 20;
    const auto out = host.run(what);
    EXPECT_EQ(out.verdict.outputs.at(0).bytes, "wanted\n");
    const std::string deep(60, 'd');
    const auto nested = run("p=.; for i in $(seq 400); do p=$p/d; done; mkdir -p $p; echo x > f", {"f"});
    EXPECT_EQ(nested.verdict.outputs.at(0).bytes, "x\n");
}

TEST_F(outputs, input_files_are_there_before_the_program) {
    auto what = request(
        "find . -type f | sort; cat a/b/c/data; stat -c '%U %a' data a; echo more >> data; "
        "cp a/b/c/data copy; rm -r a",
        {"copy", "data"});
    what.files = {{"data", ""}, {"a/b/c/data", std::string("\0binary\n", 8)}, {"a/b/other", std::string(70'000, 'o')}};
    const auto out = host.run(what);
    EXPECT_EQ(out.verdict.exit_code, 0) << out.standard_error;
    EXPECT_TRUE(out.standard_output.starts_with("./a/b/c/data\n./a/b/other\n./data\n./main.sh\n" +
                                                std::string("\0binary\n", 8) + "box"))
        << out.standard_output;
    EXPECT_EQ(out.verdict.outputs.at(0).bytes, std::string("\0binary\n", 8));
    EXPECT_EQ(out.verdict.outputs.at(1).bytes, "more\n");
}

TEST_F(outputs, many_and_large_files_fit_beside_the_programs_own_disk) {
    auto what = request("cat f* | sha256sum; head -c 1000000 /dev/zero > own && echo room", {});
    what.limits.disk_bytes = 1U << 20;
    std::string all;
    for (int i = 0; i < 64; ++i) {
        std::string name = "f" + std::to_string(1000 + i);
        what.files.push_back({name, std::string(65'536, static_cast<char>('a' + i % 26))});
        all += what.files.back().bytes;
    }
    const auto out = host.run(what);
    EXPECT_NE(out.standard_output.find("room"), std::string::npos) << out.standard_error;
    EXPECT_EQ(out.standard_output.find("e3b0c44298fc1c14"), std::string::npos) << "of nothing";
}

}  // namespace
}  // namespace tests
