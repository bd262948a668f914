// Hostile programs, run after run: what a run leaves behind in small shows in large. WEIR_HOSTILE_RUNS says how many.
#include <cstdlib>
#include <filesystem>
#include <set>

#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::cause;
using stages::worker::on_output_limit;

constexpr std::size_t usual_runs = 100;
constexpr std::size_t memory_growth_max_kib = 16 * 1024;

class churn : public hostile {};

struct attack {
    const char* script;
    std::vector<cause> ends;  // any of these
    std::function<void(stages::worker::program_limits&)> limit = [](auto&) {};
};

// Each is over in some hundredths of a second.
std::vector<attack> attacks(bool limits_trees) {
    std::vector<attack> all{
        {"bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1",
         {cause::timeout_wall, cause::process_limit, cause::exited},
         [](auto& l) { l.processes = 12, l.wall_ms = 150; }},
        {"(setsid sleep 100 &); (trap '' TERM HUP; sleep 100 &) ; exit 3", {cause::exited}},
        {"yes & yes >&2", {cause::output_limit}, [](auto& l) { l.output_bytes = 50'000; }},
        {"trap '' TERM INT HUP; sleep 100", {cause::timeout_wall}, [](auto& l) { l.wall_ms = 100; }},
        {"(kill -SEGV $BASHPID) 2>/dev/null; kill -ABRT $$", {cause::exited}},
        {"head -c 9000000 /dev/zero > /dev/shm/x || exit 5",
         {cause::disk_limit},
         [](auto& l) { l.disk_bytes = 4 << 20; }},
        {"kill -9 -1; kill -9 1; kill -STOP 1; echo alive", {cause::exited}},
        {"while :; do :; done", {cause::timeout_cpu}, [](auto& l) { l.cpu_ms = 40; }},
        {"for i in $(seq 300); do : > $i; done; ln -s /etc/passwd l; mkdir -p a/b/c; exec >&- 2>&-; exit 9",
         {cause::exited}},
    };
    if (limits_trees)
        all.push_back({"tail /dev/zero", {cause::out_of_memory}, [](auto& l) { l.memory_bytes = 16 << 20; }});
    return all;
}

std::size_t entries(const std::string& folder) {
    std::error_code ignored;
    std::size_t count = 0;
    for (std::filesystem::directory_iterator at(folder, ignored), end; at != end; at.increment(ignored)) ++count;
    return count;
}

// What a test can see of the processes that make boxes, and of its own. Memory is apart: it need not be the same.
struct state {
    pid_t broker = 0;
    std::size_t broker_descriptors = 0;  // but for files of boxes' control groups
    std::size_t open_twice = 0;          // of those files
    std::size_t groups = 0;              // of boxes that are there, or run
    std::size_t own_descriptors = 0;
    std::size_t own_threads = 0;
    std::size_t mounts = 0;
    bool operator==(const state&) const = default;
};

struct open_files {
    std::size_t others = 0;
    std::size_t open_twice = 0;
    std::set<std::string> groups;  // of whose files some are open, by name
};

// Of a group the broker may have open any file that it has needed, and each once.
open_files files_of_broker(sandbox_host& host) {
    const auto folders = host.groups();
    open_files found;
    std::set<std::string> seen;
    std::error_code ignored;
    for (const auto& each :
         std::filesystem::directory_iterator("/proc/" + std::to_string(host.broker_process()) + "/fd", ignored)) {
        const std::filesystem::path file = std::filesystem::read_symlink(each.path(), ignored);
        const auto is_of = [&file](const std::string& folder) {
            return file == folder || file.parent_path() == folder;
        };
        const auto folder = std::find_if(folders.begin(), folders.end(), is_of);
        if (folder == folders.end()) {
            ++found.others;
            continue;
        }
        found.groups.insert(std::filesystem::path(*folder).filename());
        if (!seen.insert(file).second) ++found.open_twice;  // or for a moment, for a box that is being made
    }
    return found;
}

state look(sandbox_host& host) {
    // What the broker keeps for boxes to come is sometimes more and sometimes less: groups, and networks, each with the
    // file that counts its sockets.
    const auto kept = host.pools().front();
    const auto open = files_of_broker(host);
    const std::string mounts = read_file("/proc/" + std::to_string(host.broker_process()) + "/mountinfo");
    return {host.broker_process(),
            open.others - kept.kept_networks * (sandbox_host::reuses_networks() ? 2 : 1),
            open.open_twice,
            open.groups.size() - kept.kept_groups,
            entries("/proc/self/fd"),
            entries("/proc/self/task"),
            static_cast<std::size_t>(std::count(mounts.begin(), mounts.end(), '\n'))};
}

// The broker tells of its spares now and then, and goes on making them: until it has told of all.
state now(sandbox_host& host) {
    state last = look(host);
    for (int looks = 0; looks < 100; ++looks) {
        usleep(300'000);
        const state next = look(host);
        if (next == last) return next;
        last = next;
    }
    ADD_FAILURE() << "the broker never comes to rest: it has " << last.broker_descriptors << " descriptors now";
    return last;
}

std::size_t resident_kib(pid_t process) {
    const std::string status = read_file("/proc/" + std::to_string(process) + "/status");
    const std::size_t at = status.find("VmRSS:");
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 6, nullptr, 10);
}

TEST_F(churn, hostile_runs_leave_the_machine_as_it_was) {
    const char* asked = std::getenv("WEIR_HOSTILE_RUNS");
    const std::size_t wanted = asked == nullptr ? usual_runs : std::strtoull(asked, nullptr, 10);
    const auto all = attacks(host.limits_trees());
    std::size_t done = 0;
    std::int64_t first_round_ns = 0;
    std::int64_t last_round_ns = 0;
    std::size_t memory_kib = 0;
    state before;
    while (done < wanted) {
        std::vector<stages::worker::launch_request> requests;
        for (const auto& one : all) {
            requests.push_back(sandbox_host::request("bash", one.script));
            requests.back().limits.when_output_is_full = on_output_limit::kill;
            one.limit(requests.back().limits);
        }
        const std::int64_t began_ns = runtime::system_clock().steady().nanoseconds_since_start;
        const auto outcomes = host.run_all(std::move(requests));
        last_round_ns = runtime::system_clock().steady().nanoseconds_since_start - began_ns;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto& got = outcomes[i].verdict;
            ASSERT_NE(std::find(all[i].ends.begin(), all[i].ends.end(), got.ended_by), all[i].ends.end())
                << all[i].script << ": " << static_cast<int>(got.ended_by) << got.message << " after " << done;
        }
        // What the first round has made ready stays.
        if (done == 0) {
            ASSERT_EQ(host.leftovers(), "");
            before = now(host);
            memory_kib = resident_kib(before.broker);
            first_round_ns = last_round_ns;
        }
        done += all.size();
    }
    EXPECT_EQ(host.leftovers(), "");
    const state after = now(host);
    EXPECT_EQ(after.broker, before.broker) << "the broker was replaced";
    EXPECT_EQ(after.broker_descriptors, before.broker_descriptors);
    EXPECT_EQ(after.open_twice, 0U);
    EXPECT_EQ(after.groups, before.groups);
    EXPECT_EQ(after.own_descriptors, before.own_descriptors);
    EXPECT_EQ(after.own_threads, before.own_threads);
    EXPECT_EQ(after.mounts, before.mounts);
    EXPECT_LE(resident_kib(after.broker), memory_kib + memory_growth_max_kib);
    std::printf("%zu hostile runs; a round of %zu took %lld ms, the last one %lld ms; broker %zu KiB, then %zu KiB\n",
                done, all.size(), static_cast<long long>(first_round_ns / 1'000'000),
                static_cast<long long>(last_round_ns / 1'000'000), memory_kib, resident_kib(after.broker));
}

}  // namespace
}  // namespace tests
