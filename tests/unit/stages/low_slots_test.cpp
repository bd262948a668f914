#include "stages/worker/sandbox/channel/low_slots.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {
namespace {

// Whether two numbers are of one open file.
bool same(int one, int other) {
    struct stat a{};
    struct stat b{};
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

struct pipe_ends {
    pipe_ends() {
        int ends[2];
        EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
        in.reset(ends[0]);
        out.reset(ends[1]);
    }
    descriptor in;
    descriptor out;
};

TEST(low_slots, nothing_else_is_opened_there) {
    const low_slots slots;
    std::vector<descriptor> many;
    for (int i = 0; i < 2 * low_slots::end; ++i) {
        many.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
        EXPECT_TRUE(many.back().get() < low_slots::first || many.back().get() >= low_slots::end);
    }
    for (int number = low_slots::first; number < low_slots::end; ++number) EXPECT_GE(fcntl(number, F_GETFD), 0);
}

TEST(low_slots, copies_are_there_as_long_as_they_are_lent) {
    low_slots slots;
    const pipe_ends pipe;
    std::array files{pipe.in.get(), -1, pipe.out.get()};
    {
        const auto lent = slots.lend(files);
        ASSERT_TRUE(lent);
        EXPECT_EQ(files[1], -1);
        for (const int file : {files[0], files[2]}) EXPECT_TRUE(file >= low_slots::first && file < low_slots::end);
        EXPECT_TRUE(same(files[0], pipe.in.get()));
        EXPECT_EQ(fcntl(files[2], F_GETFD), FD_CLOEXEC);
    }
    EXPECT_FALSE(same(files[0], pipe.in.get()));
    EXPECT_GE(fcntl(files[0], F_GETFD), 0);
}

TEST(low_slots, there_are_so_many_sets_and_they_come_back) {
    low_slots slots;
    const pipe_ends pipe;
    std::vector<low_slots::loan> all;
    std::array files{pipe.in.get()};
    for (int set = 0; set < low_slots::sets; ++set) {
        files[0] = pipe.in.get();
        auto lent = slots.lend(files);
        ASSERT_TRUE(lent) << set;
        all.push_back(std::move(*lent));
    }
    files[0] = pipe.in.get();
    EXPECT_FALSE(slots.lend(files));
    EXPECT_EQ(files[0], pipe.in.get());
    all.erase(all.begin());
    EXPECT_TRUE(slots.lend(files));
    std::vector<int> too_many(low_slots::each + 1, pipe.in.get());
    EXPECT_FALSE(slots.lend(too_many));
    // What cannot be copied is not lent in part, and its set is free again.
    std::array closed{pipe.in.get(), 4096};
    EXPECT_FALSE(slots.lend(closed));
    EXPECT_EQ(closed[0], pipe.in.get());
    files[0] = pipe.in.get();
    EXPECT_TRUE(slots.lend(files));
}

TEST(low_slots, a_set_whose_numbers_are_in_use_is_left_alone) {
    const pipe_ends pipe;
    const int taken = low_slots::first + low_slots::each;
    ASSERT_EQ(dup3(pipe.in.get(), taken, O_CLOEXEC), taken);
    {
        low_slots slots;
        EXPECT_TRUE(same(taken, pipe.in.get()));
        std::vector<low_slots::loan> all;
        for (;;) {
            std::array files{pipe.out.get()};
            auto lent = slots.lend(files);
            if (!lent) break;
            all.push_back(std::move(*lent));
        }
        EXPECT_EQ(all.size(), static_cast<std::size_t>(low_slots::sets - 1));
    }
    EXPECT_TRUE(same(taken, pipe.in.get()));
    close(taken);
}

// What the other one opens and closes from then on is its own.
TEST(low_slots, a_process_with_its_own_table_has_the_low_ones_alone) {
    low_slots slots;
    const pipe_ends pipe;
    const descriptor high(fcntl(pipe.out.get(), F_DUPFD_CLOEXEC, low_slots::end + 100));
    ASSERT_TRUE(high);
    std::array files{pipe.out.get()};
    const auto lent = slots.lend(files);
    ASSERT_TRUE(lent);
    clone_args arguments{};
    arguments.flags = CLONE_FILES;
    arguments.exit_signal = SIGCHLD;
    const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    ASSERT_GE(child, 0);
    if (child == 0) {
        bool good = low_slots::own_table();
        good = good && fcntl(high.get(), F_GETFD) < 0 && ::write(files[0], "x", 1) == 1;
        good = good && close_range(0, ~0U, 0) == 0;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(static_cast<pid_t>(child), &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_GE(fcntl(high.get(), F_GETFD), 0);
    char byte = 0;
    EXPECT_EQ(::read(pipe.in.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

}  // namespace
}  // namespace stages::worker::sandbox
