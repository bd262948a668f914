#include "bench/ledger.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.hpp"

namespace bench {
namespace {

constexpr const char* id = "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f17";
constexpr const char* other_id = "0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f18";

class ledger_file : public testing::Test {
  protected:
    [[nodiscard]] std::string path() const { return directory_.path() + "/ledger"; }

    void write_some() {
        auto opened = ledger::open(path());
        auto& book = *opened;
        workload_text text;
        text.script = "s{{n}}";
        book->begin("run", "http://server", true, workload(text));
        book->posting(1);
        book->accepted(1, id);
        findings wrong;
        event_checker events(id, wrong);
        http::client::server_event first;
        first.type = "execution_requested";
        first.id = "1";
        first.data = R"({"seq":1,"execution_id":")" + std::string(id) + R"("})";
        events.take(first);
        digest_ = events.digest();
        book->seen(1, events);
        book->posting(2);
        book->posting(3);
        book->refused(3);
        book->posting(4);
        book->accepted(4, other_id);
        book->ended(4, other_id, "completed");
        EXPECT_EQ(book->failures(), 0U);
    }

    tests::temporary_directory directory_;
    std::uint64_t digest_ = 0;
};

TEST_F(ledger_file, is_read_back_as_it_was_written) {
    write_some();
    std::string mistake;
    const auto read = read_ledger(path(), mistake);
    ASSERT_TRUE(read) << mistake;
    EXPECT_EQ(read->run_id, "run");
    EXPECT_EQ(read->server, "http://server");
    EXPECT_TRUE(read->keys);
    EXPECT_FALSE(read->torn);
    EXPECT_EQ(read->wrong.total(), 0U);
    EXPECT_NE(read->what->body_of(7).find("s7"), std::string::npos);
    ASSERT_EQ(read->entries.size(), 4U);
    EXPECT_EQ(read->entries.at(1).id, id);
    EXPECT_EQ(read->entries.at(1).last_event, 1U);
    EXPECT_EQ(read->entries.at(1).digest, digest_);
    EXPECT_EQ(read->entries.at(1).status, "");
    EXPECT_EQ(read->entries.at(2).id, "");
    EXPECT_TRUE(read->entries.at(3).refused);
    EXPECT_EQ(read->entries.at(4).status, "completed");
}

TEST_F(ledger_file, may_end_within_a_line_but_not_hold_a_bad_one) {
    write_some();
    const auto whole = std::filesystem::file_size(path());
    std::filesystem::resize_file(path(), whole - 5);
    std::string mistake;
    const auto torn = read_ledger(path(), mistake);
    ASSERT_TRUE(torn) << mistake;
    EXPECT_TRUE(torn->torn);
    EXPECT_EQ(torn->entries.at(4).status, "");
    std::ofstream(path(), std::ios::app) << "\n{\"n\":5,\"what\":\"posting\"}\n";
    EXPECT_FALSE(read_ledger(path(), mistake));
    EXPECT_NE(mistake.find(":10: "), std::string::npos) << mistake;
}

TEST_F(ledger_file, that_gives_a_key_two_ids_is_a_finding) {
    write_some();
    std::ofstream(path(), std::ios::app) << R"({"n":1,"what":"accepted","id":")" << other_id << "\"}\n";
    std::string mistake;
    const auto read = read_ledger(path(), mistake);
    ASSERT_TRUE(read) << mistake;
    EXPECT_EQ(read->wrong.counts().at("key_gave_two"), 1U);
}

TEST_F(ledger_file, of_something_else_is_refused) {
    std::string mistake;
    EXPECT_FALSE(read_ledger(path(), mistake));
    std::ofstream(path()) << "{}\n";
    EXPECT_FALSE(read_ledger(path(), mistake));
    EXPECT_NE(mistake.find("no ledger"), std::string::npos) << mistake;
}

}  // namespace
}  // namespace bench
