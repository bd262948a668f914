// Retention of the embedded archive over restarts, and archives of the format before it.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "storage/embedded/archive/archive_blocks.hpp"
#include "storage/embedded/archive/archive_check.hpp"
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
    // One document: itself with its chunk, two lists, its place in the order; and the format and the totals.
    EXPECT_EQ(keys_left(directory.path()), 6U);
}

// What earlier versions wrote: 1 had no retention, 2 a key for each document in every list.
void write_old_format(const std::string& directory, char format, std::uint64_t count) {
    rocksdb::DB* raw = nullptr;
    rocksdb::Options options;
    options.create_if_missing = true;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::WriteBatch batch;
    batch.Put(std::string(keys::format_key), std::string(1, format));
    for (std::uint64_t i = 1; i <= count; ++i) {
        auto one = numbered_document(i);
        const auto chunks = std::exchange(one.chunks, {});
        auto head = keys::encode_document_head(one);
        if (format == '1') head.resize(32);  // without the end
        batch.Put(keys::document_key(one.id), head + one.summary);
        for (const auto& chunk : chunks) batch.Put(keys::chunk_key(one.id, chunk.first_event), chunk.bytes);
        for (const auto& key : keys::index_keys_2({one.id, one.tenant, one.user, {}}, one.ended_at))
            if (format == '2' || key[0] != 'r') batch.Put(key, "");
    }
    if (format == '2') batch.Put(std::string(keys::totals_key), std::string(16, '\0'));
    ASSERT_TRUE(db->Write({}, &batch).ok());
}

task<void> expect_summary(archive& a, std::uint64_t number) {
    const auto found = co_await a.find(numbered_id(number));
    EXPECT_TRUE(found.has_value() && found->has_value() && (*found)->summary == "summary " + std::to_string(number));
}

task<void> note_totals(archive& a, storage::archive_totals& out) {
    out = a.totals();
    co_return;
}

void expect_new_format(const std::string& directory) {
    const auto found = storage::embedded::verify_archive(directory);
    EXPECT_TRUE(found.good) << (found.damage.empty() ? "" : found.damage.front());
    EXPECT_EQ(found.documents, 100U);
}

class archive_formats : public ::testing::TestWithParam<char> {};

TEST_P(archive_formats, an_archive_of_an_earlier_format_is_taken_over) {
    const temporary_directory directory;
    write_old_format(directory.path(), GetParam(), 600);
    storage::archive_totals all;
    {
        life first(directory.path());
        first.run([&] { return note_totals(first.front(), all); });
        first.run([&] { return expect_range(first.front(), 1, 600); });
        first.run([&] { return expect_summary(first.front(), 77); });
        first.run([&] { return keep(first.front(), 100, 500); });
    }
    expect_new_format(directory.path());
    life second(directory.path());
    second.run([&] { return expect_range(second.front(), 501, 600); });
    second.run([&] { return expect_summary(second.front(), 600); });
    // As many bytes as if they had been put today.
    const temporary_directory other;
    life today(other.path());
    today.run([&] { return put_numbers(today.front(), 1, 600); });
    storage::archive_totals same;
    today.run([&] { return note_totals(today.front(), same); });
    EXPECT_EQ(all.bytes, same.bytes);
}

// A start that was killed between two of its writes.
void stop_half_way(const std::string& directory, char format, std::uint64_t converted) {
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::WriteBatch batch;
    std::uint64_t batches = 0;
    keys::stored_totals sum;
    std::vector<storage::embedded::indexed_document> indexed;
    for (std::uint64_t i = 1; i <= converted; ++i) {
        auto one = numbered_document(i);
        const auto chunks = std::exchange(one.chunks, {});
        batch.Put(keys::document_key(one.id), keys::encode_document_head(one) + one.summary);
        for (const auto& key : keys::index_keys_2({one.id, one.tenant, one.user, {}}, one.ended_at)) batch.Delete(key);
        auto entry = keys::entry_of(one);
        for (const auto& chunk : chunks) entry.add_chunk(chunk.first_event, chunk.bytes.size(), true);
        sum.bytes += entry.bytes;
        indexed.push_back({one.tenant, one.user, entry});
    }
    storage::embedded::add_blocks(batch, std::move(indexed), batches);
    sum.documents = converted;
    sum.batches = batches;
    batch.Put(std::string(keys::format_key), "3");
    batch.Put(std::string(keys::totals_key), keys::encode_totals(sum));
    batch.Put(std::string(keys::conversion_key),
              std::string(1, static_cast<char>(format - '0')) + keys::document_key(numbered_id(converted)));
    ASSERT_TRUE(db->Write({}, &batch).ok());
}

TEST_P(archive_formats, a_start_goes_on_where_an_earlier_one_was_killed) {
    const temporary_directory directory;
    write_old_format(directory.path(), GetParam(), 600);
    stop_half_way(directory.path(), GetParam(), 192);
    EXPECT_FALSE(storage::embedded::verify_archive(directory.path()).good);
    {
        life first(directory.path());
        first.run([&] { return expect_range(first.front(), 1, 600); });
        first.run([&] { return keep(first.front(), 100, 500); });
    }
    expect_new_format(directory.path());
}

TEST_P(archive_formats, an_empty_one_is_taken_over) {
    const temporary_directory directory;
    write_old_format(directory.path(), GetParam(), 0);
    {
        life first(directory.path());
        first.run([&] { return put_numbers(first.front(), 1, 100); });
    }
    expect_new_format(directory.path());
}

// What a version with format 2 had done when it was killed: values and entries of some documents, and still the
// number 1.
void stop_half_way_to_2(const std::string& directory, std::uint64_t converted) {
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    for (std::uint64_t i = 1; i <= converted; ++i) {
        auto one = numbered_document(i);
        one.chunks.clear();
        ASSERT_TRUE(db->Put({}, keys::document_key(one.id), keys::encode_document_head(one) + one.summary).ok());
        ASSERT_TRUE(db->Put({}, keys::index_keys_2({one.id, one.tenant, one.user, {}}, one.ended_at).back(), "").ok());
    }
}

TEST(archive_retention, an_archive_that_was_half_way_from_1_to_2_is_taken_over) {
    const temporary_directory directory;
    write_old_format(directory.path(), '1', 600);
    stop_half_way_to_2(directory.path(), 256);
    {
        life first(directory.path());
        first.run([&] { return expect_range(first.front(), 1, 600); });
        first.run([&] { return expect_summary(first.front(), 77); });
        first.run([&] { return expect_summary(first.front(), 300); });
        first.run([&] { return keep(first.front(), 100, 500); });
    }
    expect_new_format(directory.path());
}

// Up to the document at which it is damaged it has gone over, behind it not.
TEST_P(archive_formats, a_damaged_document_stops_it_and_a_repair_saves_the_others) {
    const temporary_directory place;
    const std::string directory = place.path() + "/archive";
    write_old_format(directory, GetParam(), 600);
    {
        rocksdb::DB* raw = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory, &raw).ok());
        const std::unique_ptr<rocksdb::DB> db(raw);
        ASSERT_TRUE(db->Put({}, keys::document_key(numbered_id(300)), "short").ok());
    }
    std::string diagnosis;
    archive_options options;
    options.directory = directory;
    ASSERT_FALSE(archive_store::open(options, diagnosis));
    EXPECT_NE(diagnosis.find("weir archive repair"), std::string::npos) << diagnosis;
    const auto repaired = storage::embedded::repair_archive(directory);
    ASSERT_TRUE(repaired.done) << repaired.diagnosis;
    EXPECT_EQ(repaired.saved, 599U);
    EXPECT_EQ(repaired.lost, 1U);
    life after(directory);
    for (const std::uint64_t number : {1U, 299U, 301U, 600U})
        after.run([&] { return expect_summary(after.front(), number); });
}

// Retention and a hand-over go on where a block is lost; the rest of what it named is as it was.
TEST(archive_retention, a_lost_block_keeps_nothing_from_being_removed_or_put_again) {
    for (const std::string kind : {"R", "T", "U"}) {
        SCOPED_TRACE(kind);
        const temporary_directory directory;
        {
            life first(directory.path());
            first.run([&] { return put_numbers(first.front(), 1, 90); });
        }
        {
            rocksdb::DB* raw = nullptr;
            ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory.path(), &raw).ok());
            const std::unique_ptr<rocksdb::DB> db(raw);
            const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(rocksdb::ReadOptions()));
            at->Seek(kind);
            ASSERT_TRUE(at->Valid() && at->key().starts_with(kind));
            ASSERT_TRUE(db->Put({}, at->key(), "damaged").ok());
        }
        EXPECT_FALSE(storage::embedded::verify_archive(directory.path()).good);
        life second(directory.path());
        second.run([&] { return put_numbers(second.front(), 1, 90); });
        second.run([&] { return expect_summary(second.front(), 45); });
        if (kind == "R") second.run([&] { return expect_range(second.front(), 1, 90); });
        second.run([&] { return keep(second.front(), 10, 80); });
    }
}

INSTANTIATE_TEST_SUITE_P(formats, archive_formats, ::testing::Values('1', '2'),
                         [](const auto& each) { return std::string("format_") + each.param; });

}  // namespace
}  // namespace tests
