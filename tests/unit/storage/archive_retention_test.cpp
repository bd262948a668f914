// Retention of the embedded archive over restarts, and archives of the format before it.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::archive;
using storage::document;
using storage::retention_limits;
using storage::embedded::archive_options;
using storage::embedded::archive_store;
namespace keys = storage::embedded::archive_keys;

// One life of an archive with one front.
class life {
  public:
    explicit life(const std::string& directory) {
        archive_options options;
        options.directory = directory;
        options.flush_after = runtime::milliseconds(20);
        std::string diagnosis;
        auto opened = archive_store::open(options, diagnosis);
        if (!opened) std::fprintf(stderr, "%s\n", diagnosis.c_str());
        WEIR_ASSERT(opened.has_value());
        store_ = std::move(*opened);
        front_ = store_->open_shard(shards_[0]);
    }
    ~life() {
        run([this] { return end(front_); });
    }
    archive& front() { return *front_; }
    void run(runtime::unique_function<task<void>()> make) { shards_.run(0, std::move(make)); }

  private:
    static task<void> end(std::unique_ptr<archive>& front) {
        co_await front->stop();
        front.reset();
    }
    std::unique_ptr<archive_store> store_;
    machine_shards shards_;
    std::unique_ptr<archive> front_;
};

task<void> put_numbers(archive& a, std::uint64_t first, std::uint64_t last) {
    std::vector<document> documents;
    for (std::uint64_t i = first; i <= last; ++i) documents.push_back(numbered_document(i));
    const auto taken = co_await a.put(std::move(documents), {});
    EXPECT_TRUE(taken.has_value());
    const auto flushed = co_await a.flush();
    EXPECT_TRUE(flushed.has_value());
}

task<void> keep(archive& a, std::uint64_t documents_max, std::uint64_t expected) {
    retention_limits limits;
    limits.documents_max = documents_max;
    const auto step = co_await a.remove_oldest(limits, {}, 10'000);
    EXPECT_TRUE(step.has_value() && step->by_count == expected && !step->more);
}

task<void> expect_range(archive& a, std::uint64_t first, std::uint64_t last) {
    EXPECT_EQ(a.totals().documents, last - first + 1);
    for (const auto user : {runtime::uuid(), user_id("ann")}) {
        const auto page = co_await a.list(tenant_id("acme"), user, std::nullopt, 10'000);
        EXPECT_TRUE(page.has_value() && page->size() == last - first + 1);
        if (!page || page->empty()) continue;
        EXPECT_EQ(page->front().id, numbered_id(last));
        EXPECT_EQ(page->back().id, numbered_id(first));
    }
    const auto events = co_await a.events(numbered_id(last), 1, 1000);
    EXPECT_TRUE(events.has_value() && events->size() == 1);
}

TEST(archive_retention, totals_and_removals_outlive_a_stop) {
    const temporary_directory directory;
    {
        life first(directory.path());
        first.run([&] { return put_numbers(first.front(), 1, 2000); });
        first.run([&] { return keep(first.front(), 500, 1500); });
        first.run([&] { return expect_range(first.front(), 1501, 2000); });
    }
    life second(directory.path());
    second.run([&] { return expect_range(second.front(), 1501, 2000); });
    second.run([&] { return put_numbers(second.front(), 2001, 2100); });
    second.run([&] { return keep(second.front(), 500, 100); });
    second.run([&] { return expect_range(second.front(), 1601, 2100); });
}

std::size_t keys_left(const std::string& directory) {
    rocksdb::DB* raw = nullptr;
    rocksdb::Options options;
    EXPECT_TRUE(rocksdb::DB::Open(options, directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(rocksdb::ReadOptions()));
    std::size_t count = 0;
    for (at->SeekToFirst(); at->Valid(); at->Next()) ++count;
    return count;
}

TEST(archive_retention, nothing_of_a_removed_document_is_left) {
    const temporary_directory directory;
    {
        life only(directory.path());
        only.run([&] { return put_numbers(only.front(), 1, 50); });
        only.run([&] { return keep(only.front(), 1, 49); });
    }
    // One document: itself, its chunk, two lists, its place in the order; and the format and the totals.
    EXPECT_EQ(keys_left(directory.path()), 7U);
}

// What the version before retention wrote.
void write_format_1(const std::string& directory, std::uint64_t count) {
    rocksdb::DB* raw = nullptr;
    rocksdb::Options options;
    options.create_if_missing = true;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::WriteBatch batch;
    batch.Put(std::string(keys::format_key), "1");
    for (std::uint64_t i = 1; i <= count; ++i) {
        const auto one = numbered_document(i);
        std::string value(reinterpret_cast<const char*>(one.tenant.bytes.data()), 16);
        value.append(reinterpret_cast<const char*>(one.user.bytes.data()), 16);
        batch.Put(keys::document_key(one.id), value + one.summary);
        batch.Put(keys::index_key(keys::tenant_prefix(one.tenant), one.id), "");
        batch.Put(keys::index_key(keys::user_prefix(one.tenant, one.user), one.id), "");
        for (const auto& chunk : one.chunks) batch.Put(keys::chunk_key(one.id, chunk.first_event), chunk.bytes);
    }
    ASSERT_TRUE(db->Write({}, &batch).ok());
}

task<void> expect_summary(archive& a, std::uint64_t number) {
    const auto found = co_await a.find(numbered_id(number));
    EXPECT_TRUE(found.has_value() && found->has_value() && (*found)->summary == "summary " + std::to_string(number));
}

TEST(archive_retention, an_archive_of_format_1_is_taken_over) {
    const temporary_directory directory;
    write_format_1(directory.path(), 600);
    {
        life first(directory.path());
        first.run([&] { return expect_range(first.front(), 1, 600); });
        first.run([&] { return expect_summary(first.front(), 77); });
        first.run([&] { return keep(first.front(), 100, 500); });
    }
    life second(directory.path());
    second.run([&] { return expect_range(second.front(), 501, 600); });
    second.run([&] { return expect_summary(second.front(), 600); });
}

}  // namespace
}  // namespace tests
