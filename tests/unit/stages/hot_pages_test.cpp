#include "stages/worker/sandbox/inside/hot_pages.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

namespace stages::worker::sandbox::inside {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t pages_in_file = 256;
// Whole pages of this program's file, which nobody reads but these tests.
alignas(page) constinit const std::array<char, pages_in_file * page> constants{1};
alignas(page) constinit std::array<char, pages_in_file * page> variables{1};

// A sanitizer's own memory would have faults of its own.
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))

UNWATCHED char look(const char* at) { return *static_cast<const volatile char*>(at); }

// In a process of its own; its exit code.
int in_child(const std::function<int()>& what) {
    const pid_t child = fork();
    if (child == 0) _exit(what());
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

UNWATCHED bool faults(const char* at) {
    rusage before{};
    rusage after{};
    getrusage(RUSAGE_SELF, &before);
    look(at);
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt + after.ru_majflt > before.ru_minflt + before.ru_majflt;
}

// Of these pages, in a new child, how many it has to ask for. Far from each other, so that none is brought by another.
template <std::size_t N>
int missing(const std::array<char, N>& where, std::initializer_list<std::size_t> numbers) {
    return in_child([&] {
        faults(where.data());  // its own code and stack
        int count = 0;
        for (const auto number : numbers) count += faults(where.data() + number * page) ? 1 : 0;
        return count;
    });
}

int rehearse(hot_pages& pages, const std::function<void()>& what) {
    return in_child([&] {
        pages.watch();
        what();
        pages.note();
        return 0;
    });
}

TEST(hot_pages, a_child_begins_with_what_a_rehearsal_has_used_and_nothing_beside_it) {
    look(&constants[40 * page]), look(&constants[100 * page]), look(&constants[160 * page]);
    EXPECT_EQ(missing(constants, {40, 100, 160}), 3) << "a fork leaves out what can be read from a file";
    hot_pages pages;
    ASSERT_TRUE(pages.find());
    ASSERT_EQ(rehearse(pages, [] { look(&constants[40 * page]), look(&constants[160 * page]); }), 0);
    pages.keep();
    EXPECT_EQ(missing(constants, {40, 160}), 0);
    EXPECT_EQ(missing(constants, {39, 100, 159}), 3);
    EXPECT_EQ(constants[0], 1);
}

TEST(hot_pages, variables_keep_what_was_written_to_them) {
    variables[50 * page] = 5;
    variables[90 * page] = 9;
    hot_pages pages;
    ASSERT_TRUE(pages.find());
    ASSERT_EQ(rehearse(pages, [] { variables[50 * page] = look(&variables[120 * page]) + 1; }), 0);
    pages.keep();
    EXPECT_EQ(variables[50 * page], 5);
    EXPECT_EQ(variables[90 * page], 9);
    EXPECT_EQ(missing(variables, {50, 90, 120}), 0);
}

TEST(hot_pages, a_rehearsal_that_was_not_finished_changes_nothing) {
    hot_pages pages;
    ASSERT_TRUE(pages.find());
    in_child([&] {
        pages.watch();
        look(&constants[200 * page]);
        return 0;
    });
    pages.keep();
    EXPECT_EQ(missing(constants, {200}), 1);
}

}  // namespace
}  // namespace stages::worker::sandbox::inside
