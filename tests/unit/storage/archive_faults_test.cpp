// What the embedded archive does when it is killed, opened twice, overfilled, or when its disk fails. The binary has a
// main() of its own: called with --child it is the process that gets killed, with --small-disk the one whose disk is
// full.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::archive;
using storage::archive_errc;
using storage::document;
using storage::embedded::archive_options;
using storage::embedded::archive_store;

constexpr std::uint32_t chunks_of_each = 5;

document whole_document(std::uint64_t number) {
    document out = numbered_document(number);
    out.chunks.clear();
    for (std::uint32_t i = 0; i < chunks_of_each; ++i)
        out.chunks.push_back({1 + i * 10, std::string(2000 + number % 5000, static_cast<char>('a' + i))});
    return out;
}

archive_options options_in(const std::string& directory) {
    archive_options options;
    options.directory = directory;
    options.flush_after = runtime::milliseconds(20);
    options.retry_after = runtime::milliseconds(20);
    options.memtable_bytes = 1U << 20;
    return options;
}

std::unique_ptr<archive_store> open_or_die(const archive_options& options) {
    std::string diagnosis;
    auto opened = archive_store::open(options, diagnosis);
    if (!opened) std::fprintf(stderr, "%s\n", diagnosis.c_str());
    WEIR_ASSERT(opened.has_value());
    return std::move(*opened);
}

std::vector<document> only(document one) {
    std::vector<document> documents;
    documents.push_back(std::move(one));
    return documents;
}

// One store, two shards, one front each; everything is stopped at the end.
class archive_node {
  public:
    explicit archive_node(const archive_options& options) : store_(open_or_die(options)) {
        for (std::size_t i = 0; i < 2; ++i) fronts_[i] = store_->open_shard(shards_[i]);
    }
    ~archive_node() {
        for (std::size_t i = 0; i < 2; ++i) shards_.run(i, [&] { return end(fronts_[i]); });
    }
    archive& on(std::size_t shard) { return *fronts_[shard]; }
    archive_store& store() { return *store_; }
    void run(std::size_t i, runtime::unique_function<task<void>()> make) { shards_.run(i, std::move(make)); }

  private:
    static task<void> end(std::unique_ptr<archive>& front) {
        co_await front->stop();
        front.reset();
    }
    std::unique_ptr<archive_store> store_;
    machine_shards shards_;
    std::array<std::unique_ptr<archive>, 2> fronts_;
};

// ---- killed --------------------------------------------------------------------------------------------------------

task<void> put_for_ever(archive& a, std::uint64_t first) {
    for (std::uint64_t number = first;; number += 2) {
        auto tell = [number] { WEIR_ASSERT(::write(STDOUT_FILENO, &number, sizeof number) == sizeof number); };
        const auto taken = co_await a.put(only(whole_document(number)), std::move(tell));
        WEIR_ASSERT(taken.has_value());
        co_await runtime::sleep_for(runtime::microseconds(200));
    }
}

int be_the_child(const std::string& directory, std::uint64_t first) {
    archive_node node(options_in(directory));
    std::thread other([&] { node.run(1, [&] { return put_for_ever(node.on(1), first + 1); }); });
    node.run(0, [&] { return put_for_ever(node.on(0), first); });
    return 0;
}

struct child_process {
    pid_t id = -1;
    int output = -1;
};

child_process start_child(const char* role, const std::string& directory, std::uint64_t first) {
    int ends[2];
    WEIR_ASSERT(::pipe(ends) == 0);
    const std::string number = std::to_string(first);
    const pid_t id = ::fork();
    WEIR_ASSERT(id >= 0);
    if (id == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::execl("/proc/self/exe", "archive_faults_test", role, directory.c_str(), number.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(ends[1]);
    return {id, ends[0]};
}

// Kills it once it has told of at least `at_least` confirmed documents, and returns all it told of.
std::set<std::uint64_t> kill_after(const child_process& child, std::size_t at_least) {
    std::set<std::uint64_t> confirmed;
    std::uint64_t number = 0;
    bool killed = false;
    while (::read(child.output, &number, sizeof number) == sizeof number) {
        confirmed.insert(number);
        if (!killed && confirmed.size() >= at_least) {
            killed = true;
            ::kill(child.id, SIGKILL);
        }
    }
    ::close(child.output);
    int status = 0;
    ::waitpid(child.id, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return confirmed;
}

task<void> check_whole(archive& a, std::set<std::uint64_t> confirmed, std::uint64_t& last) {
    std::set<std::uint64_t> there;
    const auto all = co_await a.list(tenant_id("acme"), runtime::uuid(), std::nullopt, 1'000'000);
    EXPECT_TRUE(all.has_value());
    if (!all) co_return;
    for (const auto& each : *all) {
        const auto number = std::stoull(each.summary.substr(8));
        there.insert(number);
        const auto expected = whole_document(number);
        EXPECT_EQ(each.id, expected.id);
        const auto chunks = co_await a.events(each.id, 1, 10'000'000);
        EXPECT_TRUE(chunks.has_value() && chunks->size() == chunks_of_each) << "half a document: " << number;
        for (std::size_t i = 0; chunks && i < chunks->size(); ++i)
            EXPECT_EQ((*chunks)[i].bytes, expected.chunks[i].bytes);
    }
    const auto of_user = co_await a.list(tenant_id("acme"), user_id("ann"), std::nullopt, 1'000'000);
    EXPECT_TRUE(of_user.has_value() && of_user->size() == all->size());
    for (const auto number : confirmed) EXPECT_TRUE(there.contains(number)) << "confirmed and lost: " << number;
    if (!there.empty()) last = std::max(last, *there.rbegin());
}

TEST(archive_faults, a_kill_loses_nothing_confirmed_and_leaves_nothing_half) {
    const temporary_directory directory;
    std::set<std::uint64_t> confirmed;
    std::uint64_t last = 0;
    for (const std::size_t at_least : {1, 40, 7, 150, 90}) {
        const auto child = start_child("--child", directory.path(), last + 100'000);
        confirmed.merge(kill_after(child, at_least));
        archive_node node(options_in(directory.path()));
        node.run(0, [&] { return check_whole(node.on(0), confirmed, last); });
    }
    EXPECT_GE(confirmed.size(), 288U);
}

// ---- opened --------------------------------------------------------------------------------------------------------

task<void> put_without_waiting(archive& a, std::uint64_t number) {
    const auto taken = co_await a.put(only(whole_document(number)), {});
    EXPECT_TRUE(taken.has_value());
}

task<void> flush_now(archive& a) {
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
}

TEST(archive_faults, a_later_start_finds_what_a_stop_left) {
    const temporary_directory directory;
    std::uint64_t last = 0;
    {
        archive_node node(options_in(directory.path()));
        node.run(1, [&] { return put_without_waiting(node.on(1), 7); });
    }
    archive_node node(options_in(directory.path()));
    node.run(0, [&] { return check_whole(node.on(0), {7}, last); });
    EXPECT_EQ(last, 7U);
}

TEST(archive_faults, a_directory_of_a_later_version_is_refused) {
    const temporary_directory directory;
    open_or_die(options_in(directory.path()));
    {
        rocksdb::DB* raw = nullptr;
        rocksdb::Options options;
        ASSERT_TRUE(rocksdb::DB::Open(options, directory.path(), &raw).ok());
        const std::unique_ptr<rocksdb::DB> db(raw);
        ASSERT_TRUE(db->Put({}, std::string(storage::embedded::archive_keys::format_key), "4").ok());
    }
    std::string diagnosis;
    const auto opened = archive_store::open(options_in(directory.path()), diagnosis);
    ASSERT_TRUE(opened.has_error());
    EXPECT_EQ(opened.error(), archive_errc::newer_format);
    EXPECT_NE(diagnosis.find("later version"), std::string::npos) << diagnosis;
    EXPECT_NE(diagnosis.find(directory.path()), std::string::npos) << diagnosis;
}

TEST(archive_faults, a_directory_of_something_else_is_refused) {
    const temporary_directory directory;
    {
        rocksdb::DB* raw = nullptr;
        rocksdb::Options options;
        options.create_if_missing = true;
        ASSERT_TRUE(rocksdb::DB::Open(options, directory.path(), &raw).ok());
        const std::unique_ptr<rocksdb::DB> db(raw);
        ASSERT_TRUE(db->Put({}, "somebody", "else").ok());
    }
    std::string diagnosis;
    const auto opened = archive_store::open(options_in(directory.path()), diagnosis);
    ASSERT_TRUE(opened.has_error());
    EXPECT_EQ(opened.error(), archive_errc::corrupt);
}

TEST(archive_faults, a_second_opening_is_refused) {
    const temporary_directory directory;
    const auto first = open_or_die(options_in(directory.path()));
    std::string diagnosis;
    const auto second = archive_store::open(options_in(directory.path()), diagnosis);
    ASSERT_TRUE(second.has_error());
    EXPECT_EQ(second.error(), archive_errc::in_use) << diagnosis;
}

// ---- limits --------------------------------------------------------------------------------------------------------

task<void> put_and_count(archive& a, document one, int& taken, int& busy) {
    const auto outcome = co_await a.put(only(std::move(one)), {});
    if (outcome) {
        ++taken;
    } else if (outcome.error() == archive_errc::busy) {
        ++busy;
    }
}

task<void> crowd(archive& a, std::size_t bytes, int& taken, int& busy) {
    runtime::shard& home = runtime::shard::here();
    runtime::gate all(home);
    for (std::uint64_t i = 1; i <= 200; ++i) {
        document one = numbered_document(i);
        one.chunks.front().bytes.assign(bytes, 'x');
        runtime::spawn(all, home, put_and_count(a, std::move(one), taken, busy));
    }
    co_await all.close();
}

TEST(archive_faults, documents_that_arrive_during_a_write_go_together) {
    const temporary_directory directory;
    archive_node node(options_in(directory.path()));
    int taken = 0;
    int busy = 0;
    node.run(0, [&] { return crowd(node.on(0), 10, taken, busy); });
    EXPECT_EQ(taken, 200);
    EXPECT_EQ(busy, 0);
    EXPECT_EQ(node.store().counters().documents, 200U);
    EXPECT_LE(node.store().counters().groups, 3U);
}

TEST(archive_faults, a_group_has_a_size) {
    const temporary_directory directory;
    archive_options options = options_in(directory.path());
    options.group_bytes_max = 10'000;
    archive_node node(options);
    int taken = 0;
    int busy = 0;
    node.run(0, [&] { return crowd(node.on(0), 1000, taken, busy); });
    EXPECT_EQ(taken, 200);
    EXPECT_GE(node.store().counters().groups, 25U);
}

TEST(archive_faults, too_many_waiting_bytes_are_refused_and_counted) {
    const temporary_directory directory;
    archive_options options = options_in(directory.path());
    options.waiting_bytes_max = 100'000;
    archive_node node(options);
    int taken = 0;
    int busy = 0;
    node.run(0, [&] { return crowd(node.on(0), 10'000, taken, busy); });
    EXPECT_EQ(taken + busy, 200);
    EXPECT_GT(busy, 150);
    EXPECT_GE(taken, 9);
    EXPECT_EQ(node.store().counters().refused_busy, static_cast<std::uint64_t>(busy));
    // One call that is larger than the limit still gets through when it is alone.
    taken = 0;
    document large = numbered_document(1);
    large.chunks.front().bytes.assign(1'000'000, 'x');
    node.run(0, [&] { return put_and_count(node.on(0), std::move(large), taken, busy); });
    EXPECT_EQ(taken, 1);
}

task<void> put_until_taken(archive& a, int& taken, int& busy) {
    for (int i = 0; i < 1000 && taken == 0; ++i) {
        co_await put_and_count(a, numbered_document(300), taken, busy);
        co_await runtime::sleep_for(runtime::milliseconds(5));
    }
}

TEST(archive_faults, too_many_unconfirmed_calls_are_refused_until_a_flush) {
    const temporary_directory directory;
    archive_options options = options_in(directory.path());
    options.unconfirmed_puts_max = 50;
    options.flush_after = runtime::seconds(1000);
    archive_node node(options);
    int taken = 0;
    int busy = 0;
    node.run(0, [&] { return crowd(node.on(0), 10, taken, busy); });
    EXPECT_EQ(taken + busy, 200);
    EXPECT_GE(taken, 50);
    EXPECT_GT(busy, 0);
    EXPECT_EQ(node.store().counters().refused_busy, static_cast<std::uint64_t>(busy));
    // The refusal has begun a flush, although flush_after is far away.
    taken = 0;
    node.run(0, [&] { return put_until_taken(node.on(0), taken, busy); });
    EXPECT_EQ(taken, 1);
}

// ---- a failing disk ------------------------------------------------------------------------------------------------

// No file may grow beyond `bytes`: writes fail with EFBIG. The signal that goes with it is ignored.
void limit_files(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
}

task<void> disk_breaks(archive_node& node) {
    archive& a = node.on(0);
    limit_files(100);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        const auto taken = co_await a.put(only(whole_document(i)), [] { ADD_FAILURE() << "confirmed"; });
        EXPECT_TRUE(taken.has_value());
    }
    const auto failed = co_await a.flush();
    EXPECT_TRUE(failed.has_error());
    EXPECT_GT(node.store().counters().failures, 0U);
    EXPECT_NE(node.store().describe().find("failing"), std::string::npos) << node.store().describe();
    // Reads go on.
    const auto found = co_await a.find(numbered_id(3));
    EXPECT_TRUE(found.has_value() && found->has_value());
    co_await runtime::sleep_for(runtime::milliseconds(100));
}

TEST(archive_faults, a_broken_disk_confirms_nothing_until_a_restart) {
    const temporary_directory directory;
    {
        archive_options options = options_in(directory.path());
        options.flush_after = runtime::seconds(1000);
        archive_node node(options);
        node.run(1, [&] { return put_without_waiting(node.on(1), 7); });
        node.run(1, [&] { return flush_now(node.on(1)); });
        node.run(0, [&] { return disk_breaks(node); });
    }
    limit_files(RLIM_INFINITY);
    archive_node node(options_in(directory.path()));
    std::uint64_t last = 0;
    node.run(0, [&] { return check_whole(node.on(0), {7}, last); });
    EXPECT_EQ(last, 7U);
}

// The rest runs in a process with a file system of its own, 8 MiB large: leaves 77 where that is not allowed.

struct filler {
    explicit filler(std::string at) : path(std::move(at)) {
        const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        const std::string zeros(4096, '\0');
        while (::write(file, zeros.data(), zeros.size()) > 0) {
        }
        ::close(file);
    }
    ~filler() { ::unlink(path.c_str()); }
    std::string path;
};

task<void> disk_fills_and_heals(archive_node& node, const std::string& directory) {
    archive& a = node.on(0);
    int confirmed = 0;
    auto full = std::make_unique<filler>(directory + "/filler");
    for (std::uint64_t i = 1; i <= 20; ++i) {
        const auto taken = co_await a.put(only(whole_document(i)), [&confirmed] { ++confirmed; });
        EXPECT_TRUE(taken.has_value());
    }
    const auto failed = co_await a.flush();
    EXPECT_TRUE(failed.has_error() && failed.error() == archive_errc::no_space) << failed.error().message();
    EXPECT_EQ(confirmed, 0);
    EXPECT_NE(node.store().describe().find("failing"), std::string::npos) << node.store().describe();
    const auto found = co_await a.find(numbered_id(3));
    EXPECT_TRUE(found.has_value() && found->has_value());
    co_await runtime::sleep_for(runtime::milliseconds(200));
    EXPECT_EQ(confirmed, 0);

    full.reset();
    for (int i = 0; i < 1500 && confirmed < 20; ++i) co_await runtime::sleep_for(runtime::milliseconds(10));
    EXPECT_EQ(confirmed, 20) << node.store().describe();
    EXPECT_EQ(node.store().describe().find("failing"), std::string::npos) << node.store().describe();
    // RocksDB may still be busy with its own recovery.
    bool healed = false;
    for (int i = 0; i < 500 && !healed; ++i) {
        const auto flushed = co_await a.flush();
        healed = flushed.has_value();
        if (!healed) co_await runtime::sleep_for(runtime::milliseconds(10));
    }
    EXPECT_TRUE(healed);
}

int be_the_small_disk(const std::string& directory) {
    const int spaces = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (::unshare(spaces) != 0) return 77;
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("none", directory.c_str(), "tmpfs", 0, "size=8m") != 0) return 77;
    {
        archive_options options = options_in(directory + "/archive");
        options.flush_after = runtime::seconds(1000);
        archive_node node(options);
        node.run(0, [&] { return disk_fills_and_heals(node, directory); });
    }
    archive_node node(options_in(directory + "/archive"));
    std::uint64_t last = 0;
    node.run(0, [&] { return check_whole(node.on(0), {1, 10, 20}, last); });
    return ::testing::Test::HasFailure() ? 1 : 0;
}

TEST(archive_faults, a_full_disk_confirms_nothing_and_heals_when_space_returns) {
    const temporary_directory directory;
    const auto child = start_child("--small-disk", directory.path(), 0);
    std::string said;
    char piece[4096];
    for (ssize_t got = 0; (got = ::read(child.output, piece, sizeof piece)) > 0;)
        said.append(piece, static_cast<std::size_t>(got));
    ::close(child.output);
    int status = 0;
    ::waitpid(child.id, &status, 0);
    ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount of our own here";
    EXPECT_EQ(WEXITSTATUS(status), 0) << said;
}

task<void> put_one_more(archive& a) {
    static_cast<void>(co_await a.put(only(whole_document(1)), [] { ADD_FAILURE() << "confirmed on a failing disk"; }));
    limit_files(100);
}

TEST(archive_faults, stop_ends_although_the_disk_fails) {
    const temporary_directory directory;
    {
        archive_options options = options_in(directory.path());
        options.flush_after = runtime::seconds(1000);
        archive_node node(options);
        node.run(0, [&] { return put_one_more(node.on(0)); });
    }
    limit_files(RLIM_INFINITY);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
    const std::string role = argc == 4 ? argv[1] : "";
    if (role == "--child") return tests::be_the_child(argv[2], std::stoull(argv[3]));
    ::testing::InitGoogleTest(&argc, argv);
    if (role == "--small-disk") return tests::be_the_small_disk(argv[2]);
    return RUN_ALL_TESTS();
}
