// The embedded archive's database below its fronts: lists beside retention, and what neither of them may cost.
#include "storage/embedded/archive/archive_database.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "tests/support/temporary_directory.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using storage::document;
using storage::embedded::archive_database;
using storage::embedded::archive_sequence;

class watcher final : public storage::embedded::archive_observer {
  public:
    void flushed(archive_sequence through) override {
        durable_through = through;
        durable_through.notify_all();
    }
    void failed(runtime::error_code, const std::string& diagnosis) override {
        ADD_FAILURE() << diagnosis;
        flushed(std::numeric_limits<archive_sequence>::max());  // nobody waits for what will not come
    }
    void recovered() override {}
    void damaged(const std::string& what) override { ADD_FAILURE() << what; }
    std::atomic<archive_sequence> durable_through{0};
};

struct small_archive {
    small_archive() {
        storage::embedded::archive_options options;
        options.directory = directory.path();
        options.memtable_bytes = 1 << 20;
        std::string diagnosis;
        auto opened = archive_database::open(options, seen, diagnosis);
        EXPECT_TRUE(opened.has_value()) << diagnosis;
        if (opened) database = std::move(*opened);
    }
    // `more`: so many bytes of each document that do not compress.
    void write(std::uint64_t first, std::uint64_t last, std::size_t more = 0) {
        std::mt19937 draw(1);  // NOLINT: the same each time
        for (std::uint64_t at = first; at <= last; ++at) {
            document one = numbered_document(at);
            for (std::size_t i = 0; i < more; ++i) one.summary.push_back(static_cast<char>(draw()));
            ASSERT_TRUE(database->write({&one}).has_value());
        }
    }
    void make_durable() {
        const auto through = database->start_flush(archive_database::when_crowded::wait);
        ASSERT_TRUE(through.has_value());
        for (auto now = seen.durable_through.load(); now < *through; now = seen.durable_through.load())
            seen.durable_through.wait(now);
    }
    [[nodiscard]] std::set<std::string> files() const {
        std::set<std::string> names;
        for (const auto& one : std::filesystem::directory_iterator(directory.path()))
            if (one.path().extension() == ".sst") names.insert(one.path().filename());
        return names;
    }
    // Until RocksDB has had nothing to do for a while.
    [[nodiscard]] std::set<std::string> settled_files() const {
        auto now = files();
        for (int quiet = 0; quiet < 10; ++quiet) {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
            auto later = files();
            if (later != now) quiet = 0;
            now = std::move(later);
        }
        return now;
    }

    temporary_directory directory;
    watcher seen;
    std::unique_ptr<archive_database> database;
};

storage::retention_limits at_most(std::uint64_t documents) {
    storage::retention_limits limits;
    limits.documents_max = documents;
    return limits;
}

TEST(archive_database, what_retention_takes_is_missing_from_a_list_not_damaged) {
    small_archive a;
    constexpr std::uint64_t all = 4000;
    a.write(2, all);
    // Begun first, and ended last.
    document first = numbered_document(1);
    first.ended_at = numbered_document(all + 1).ended_at;
    ASSERT_TRUE(a.database->write({&first}).has_value());
    a.make_durable();
    std::atomic<bool> done{false};
    std::thread retention([&] {
        for (std::uint64_t left = all; left > 10; --left)
            EXPECT_TRUE(a.database->remove_oldest(at_most(left - 1), {}, 1, a.seen.durable_through).has_value());
        done = true;
    });
    while (!done) {
        // All but the last few: what retention takes meanwhile is missing at the end, and the first one lies below.
        const auto limit = a.database->totals().documents - 5;
        const auto page = a.database->list(tenant_id("acme"), {}, std::nullopt, limit);
        EXPECT_TRUE(page.has_value());
        if (!page) break;
        EXPECT_EQ(page->front().id, numbered_id(all));
        // A page is full, or has everything.
        if (page->size() < limit) EXPECT_EQ(page->back().id, numbered_id(1));
    }
    retention.join();
    EXPECT_EQ(a.database->totals().documents, 10U);
}

TEST(archive_database, looking_writes_no_file_again) {
    small_archive a;
    // More than the first level holds, so that files move down as they are.
    a.write(1, 8'000, 3'000);
    a.make_durable();
    const auto before = a.settled_files();
    EXPECT_GT(before.size(), 5U);
    for (int i = 0; i < 3; ++i) {
        a.write(8'001 + i, 8'001 + i);
        EXPECT_TRUE(a.database->list(tenant_id("acme"), {}, std::nullopt, 10).has_value());
        EXPECT_TRUE(a.database->remove_oldest(at_most(100'000), {}, 10, a.seen.durable_through).has_value());
    }
    EXPECT_EQ(a.settled_files(), before);
}

// With three memtables on their way to disk RocksDB stops writes, and begins no further flush.
TEST(archive_database, a_flush_waits_while_writes_are_stopped_or_is_refused) {
    small_archive a;
    std::atomic<bool> done{false};
    std::thread writer([&] {
        a.write(1, 2'000);
        done = true;
    });
    int refused = 0;
    while (!done) {
        auto begun = a.database->start_flush(archive_database::when_crowded::refuse);
        if (begun) continue;
        ++refused;
        EXPECT_EQ(begun.error(), storage::archive_errc::busy);
        begun = a.database->start_flush(archive_database::when_crowded::wait);
        EXPECT_TRUE(begun.has_value()) << begun.error().message();
    }
    writer.join();
    EXPECT_GT(refused, 0);
    a.make_durable();
}

TEST(archive_database, retention_stops_at_what_no_flush_has_passed) {
    small_archive a;
    a.write(1, 100);
    a.make_durable();
    const archive_sequence durable = a.seen.durable_through;
    a.write(101, 150);
    const auto step = a.database->remove_oldest(at_most(10), {}, 1000, durable);
    ASSERT_TRUE(step.has_value());
    EXPECT_EQ(step->documents(), 100U);
    EXPECT_EQ(a.database->totals().documents, 50U);
    const auto none = a.database->remove_oldest(at_most(10), {}, 1000, durable);
    EXPECT_TRUE(none.has_value() && none->documents() == 0);
}

}  // namespace
}  // namespace tests
