// The embedded archive's database beside a plain map: random puts, removals, lists and restarts, from seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_database.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

using storage::document;
using storage::embedded::archive_database;

class silent final : public storage::embedded::archive_observer {
  public:
    void flushed(storage::embedded::archive_sequence) override {}
    void failed(runtime::error_code, const std::string& diagnosis) override { ADD_FAILURE() << diagnosis; }
    void recovered() override {}
    void damaged(const std::string& what) override { ADD_FAILURE() << what; }
};

class model_run {
  public:
    explicit model_run(std::uint64_t seed) : draw_(seed) { open(); }

    void step() {
        switch (below(8)) {
            case 0:
            case 1:
            case 2: put_new(); break;
            case 3: put_again(); break;
            case 4: remove(); break;
            case 5: read_one(); break;
            case 6: page_through(); break;
            default:
                if (below(4) == 0) restart();
                break;
        }
        std::uint64_t bytes = 0;
        for (const auto& [id, one] : model_) bytes += bytes_of(one);
        ASSERT_EQ(database_->totals().documents, model_.size());
        ASSERT_EQ(database_->totals().bytes, bytes);
    }

    void finish() {
        page_through();
        database_.reset();
        const auto found = storage::embedded::verify_archive(directory_.path());
        EXPECT_TRUE(found.good) << (found.damage.empty() ? "" : found.damage.front());
        EXPECT_EQ(found.documents, model_.size());
    }

  private:
    static constexpr std::array tenants{"acme", "bolt"};
    static constexpr std::array users{"ann", "bob", "eve"};

    std::uint64_t below(std::uint64_t limit) {
        return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(draw_);
    }
    static std::uint64_t bytes_of(const document& one) {
        std::uint64_t bytes = one.summary.size() + 256;
        for (const auto& chunk : one.chunks) bytes += chunk.bytes.size() + 64;
        return bytes;
    }

    void open() {
        storage::embedded::archive_options options;
        options.directory = directory_.path();
        std::string diagnosis;
        auto opened = archive_database::open(options, seen_, diagnosis);
        ASSERT_TRUE(opened.has_value()) << diagnosis;
        database_ = std::move(*opened);
    }

    void restart() {
        database_.reset();
        open();
    }

    // Ids rise, now and then by more than a period of the lists; ends lie up to some periods of retention behind.
    document new_document() {
        last_number_ += below(20) == 0 ? 1000 : 1 + below(3);
        document out =
            numbered_document(last_number_, tenants.at(below(tenants.size())), users.at(below(users.size())));
        out.ended_at.microseconds_since_epoch +=
            static_cast<std::int64_t>(below(3) == 0 ? below(300'000) : below(2'000));
        const std::array<std::size_t, 5> sizes{0, 10, 2048, 2049, 6000};
        out.chunks.clear();
        for (std::uint64_t i = 0, count = below(4) == 0 ? below(4) : 1; i < count; ++i)
            out.chunks.push_back(
                {static_cast<std::uint32_t>(1 + 10 * i), std::string(sizes.at(below(sizes.size())), 'c')});
        out.is_new = below(2) == 0;
        return out;
    }

    void write(const std::vector<document>& documents) {
        std::vector<const document*> pointers;
        for (const auto& each : documents) pointers.push_back(&each);
        ASSERT_TRUE(database_->write(pointers).has_value());
        for (const auto& each : documents) model_[each.id] = each;
    }

    void put_new() {
        std::vector<document> some;
        for (std::uint64_t i = 0, count = below(3) == 0 ? below(300) : below(6); i < count; ++i)
            some.push_back(new_document());
        std::ranges::shuffle(some, draw_);
        write(some);
    }

    // As the log hands them over after a crash; what retention took comes back.
    void put_again() {
        std::vector<document> some;
        for (const auto* from : {&model_, &removed_})
            for (const auto& [id, one] : *from)
                if (below(10) == 0) some.push_back(one);
        for (auto& each : some) {
            each.is_new = false;
            removed_.erase(each.id);
        }
        write(some);
    }

    void remove() {
        storage::retention_limits limits;
        limits.documents_max = model_.size() - std::min<std::uint64_t>(model_.size(), below(100));
        if (limits.documents_max == 0) return;
        const std::size_t step = 1 + below(60);
        const auto done = database_->remove_oldest(limits, {}, step, ~0ULL);
        ASSERT_TRUE(done.has_value());
        const auto expected = std::min<std::uint64_t>(model_.size() - limits.documents_max, step);
        ASSERT_EQ(done->by_count, expected);
        std::vector<document> order;
        for (const auto& [id, one] : model_) order.push_back(one);
        std::ranges::sort(order, {}, [](const document& one) { return std::pair(one.ended_at, one.id); });
        for (std::size_t i = 0; i < expected; ++i) {
            model_.erase(order[i].id);
            removed_[order[i].id] = order[i];
        }
    }

    void read_one() {
        if (last_number_ == 0) return;
        const auto id = numbered_id(1 + below(last_number_));
        const auto found = database_->find(id);
        const auto there = model_.find(id);
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(found->has_value(), there != model_.end());
        std::vector<document::chunk> chunks;
        for (std::uint32_t from = 1;; from = chunks.back().first_event + 10) {
            const auto some = database_->events(id, from, 1 + below(8000));
            ASSERT_TRUE(some.has_value());
            for (const auto& each : *some)
                if (chunks.empty() || each.first_event > chunks.back().first_event) chunks.push_back(each);
            if (some->empty() || some->back().first_event < from) break;
        }
        if (there == model_.end()) {
            ASSERT_TRUE(chunks.empty());
            return;
        }
        ASSERT_EQ((*found)->summary, there->second.summary);
        ASSERT_EQ((*found)->user, there->second.user);
        ASSERT_EQ(chunks.size(), there->second.chunks.size());
        for (std::size_t i = 0; i < chunks.size(); ++i) ASSERT_EQ(chunks[i].bytes, there->second.chunks[i].bytes);
    }

    // A whole list, in pages of some size.
    void page_through() {
        const auto tenant = tenant_id(tenants.at(below(tenants.size())));
        const auto user = below(2) == 0 ? runtime::uuid() : user_id(users.at(below(users.size())));
        std::vector<runtime::execution_id> expected;
        for (const auto& [id, one] : model_)
            if (one.tenant == tenant && (user.is_nil() || one.user == user)) expected.push_back(id);
        std::ranges::reverse(expected);
        const std::size_t limit = 1 + below(150);
        std::vector<runtime::execution_id> listed;
        for (std::optional<runtime::execution_id> before;; before = listed.back()) {
            const auto page = database_->list(tenant, user, before, limit);
            ASSERT_TRUE(page.has_value());
            for (const auto& each : *page) listed.push_back(each.id);
            if (page->size() < limit) break;
        }
        ASSERT_EQ(listed, expected);
    }

    std::mt19937_64 draw_;
    temporary_directory directory_;
    silent seen_;
    std::unique_ptr<archive_database> database_;
    std::map<runtime::execution_id, document> model_;
    std::map<runtime::execution_id, document> removed_;
    std::uint64_t last_number_ = 0;
};

class archive_model : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(archive_model, does_what_a_map_would) {
    model_run run(GetParam());
    for (int i = 0; i < 150 && !HasFatalFailure(); ++i) run.step();
    run.finish();
}

INSTANTIATE_TEST_SUITE_P(seeds, archive_model, ::testing::Range<std::uint64_t>(0, 24));

}  // namespace
}  // namespace tests
