// Documents from the log alone: whole ones, and none of what the log has let go in part.
#include "stages/result/rebuild.hpp"

#include <gtest/gtest.h>

#include "stages/result/documents.hpp"
#include "tests/unit/pipeline/samples.hpp"

namespace stages::result {
namespace {

using pipeline::execution;
using pipeline::record_type;

// A partition's records in order, of several executions.
struct written_log {
    runtime::simulation::world world{1};
    runtime::simulation::simulated_shard& home = world.add_shard(0);
    runtime::id_generator ids{home.time(), home.random()};
    storage::offset next = 1;
    std::vector<storage::record> records;

    storage::record& put(storage::record_header header, std::string payload) {
        header.at = next++;
        return records.emplace_back(storage::record{header, std::move(payload)});
    }
    storage::blob_reference put_blob(runtime::uuid entity, const std::vector<std::string>& pieces) {
        storage::blob_reference out{next, static_cast<std::uint32_t>(pieces.size()), 0};
        for (const auto& piece : pieces) {
            storage::record_header header;
            header.type = static_cast<std::uint16_t>(record_type::blob_piece);
            header.format = pipeline::record_format;
            header.entity = entity;
            out.bytes += piece.size();
            put(header, piece);
        }
        return out;
    }
    std::shared_ptr<execution> accept(runtime::uuid id, const pipeline::accepted_record& what) {
        storage::record_header header;
        header.type = static_cast<std::uint16_t>(record_type::accepted);
        header.format = pipeline::record_format;
        header.entity = id;
        header.first_event = 1;
        header.event_count = 3;
        header.attempt = 1;
        const auto& stored = put(header, encode(what));
        auto e = execution::make(home, {stored.header, stored.payload});
        EXPECT_TRUE(e && e->apply({stored.header, stored.payload}, true));
        return e;
    }
    std::shared_ptr<execution> accept() {
        auto what = pipeline::samples::accepted();
        what.with_more().standard_input = {};
        return accept(ids.next({0}), what);
    }
    void add(const std::shared_ptr<execution>& e, record_type type, std::uint16_t events, std::string payload = {}) {
        const auto& stored = put(e->next_header(type, events), std::move(payload));
        EXPECT_TRUE(e->apply({stored.header, stored.payload}, true));
    }
    void run(const std::shared_ptr<execution>& e, const std::string& text) {
        add(e, record_type::scheduled, 1);
        add(e, record_type::started, 1);
        add(e, record_type::output, 1,
            encode(pipeline::output_record{pipeline::stream::standard_output, 0, true, text}));
    }
    void conclude(const std::shared_ptr<execution>& e,
                  const pipeline::concluded_record& what = {pipeline::samples::completed(), {}}) {
        add(e, record_type::concluded, 1, encode(what));
    }
    // With one artefact, whose bytes lie in these pieces.
    void conclude_with(const std::shared_ptr<execution>& e, const std::vector<std::string>& pieces) {
        pipeline::concluded_record what{pipeline::samples::completed(), {}};
        auto& artifact = what.verdict.artifacts.emplace_back();
        artifact.path = "out";
        pipeline::payload_bytes bytes;
        bytes.blob = put_blob(e->id, pieces);
        what.artifacts.push_back({bytes});
        conclude(e, what);
    }
    void lose(storage::offset at) {
        std::erase_if(records, [at](const auto& record) { return record.header.at == at; });
    }
    std::vector<storage::document> rebuilt() {
        std::vector<storage::document> found;
        rebuild collector(home, [&found](storage::document one) { found.push_back(std::move(one)); });
        for (const auto& record : records) collector.take({record.header, record.payload});
        return found;
    }
};

std::string all_of(const storage::document& one) {
    std::string out = one.summary;
    for (const auto& chunk : one.chunks) out += "|" + std::to_string(chunk.first_event) + ":" + chunk.bytes;
    return out;
}

TEST(rebuild, an_execution_from_its_acceptance_to_its_end) {
    written_log log;
    const auto e = log.accept();
    log.run(e, "one");
    EXPECT_TRUE(log.rebuilt().empty());
    log.conclude(e);
    const auto found = log.rebuilt();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].id, e->id);
    EXPECT_EQ(found[0].ended_at, *e->finished_at);
    EXPECT_EQ(all_of(found[0]), all_of(document_of(*e, log.records, {})));
}

TEST(rebuild, executions_whose_records_lie_between_one_another) {
    written_log log;
    const auto first = log.accept();
    const auto second = log.accept();
    log.run(first, "one");
    const auto third = log.accept();
    log.run(second, "two");
    log.conclude(second);
    log.run(third, "three");
    log.conclude(first);
    const auto found = log.rebuilt();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].id, second->id);
    EXPECT_EQ(found[1].id, first->id);
    EXPECT_NE(all_of(found[0]).find("two"), std::string::npos);
    EXPECT_EQ(all_of(found[0]).find("one"), std::string::npos);
}

// The log lets go of what is oldest.
TEST(rebuild, nothing_of_an_execution_whose_beginning_is_gone) {
    for (const storage::offset lost : {1, 2, 3}) {
        written_log log;
        const auto e = log.accept();
        log.run(e, "one");
        log.conclude(e);
        log.lose(lost);
        EXPECT_TRUE(log.rebuilt().empty()) << lost;
    }
}

TEST(rebuild, what_a_request_carried_beside_it_belongs_to_it) {
    for (const bool whole : {true, false}) {
        written_log log;
        const auto id = log.ids.next({0});
        auto what = pipeline::samples::accepted();
        what.with_more().standard_input = {};
        what.with_more().standard_input.blob = log.put_blob(id, {"first piece", "second piece"});
        const auto e = log.accept(id, what);
        log.conclude(e);
        if (!whole) log.lose(1);
        const auto found = log.rebuilt();
        ASSERT_EQ(found.size(), whole ? 1U : 0U);
        if (whole) EXPECT_NE(all_of(found[0]).find("second piece"), std::string::npos);
    }
}

TEST(rebuild, artefacts_come_along_or_there_is_no_document) {
    for (const storage::offset lost : {0, 5, 6}) {
        written_log log;
        const auto e = log.accept();
        log.run(e, "one");
        log.conclude_with(e, {"first half, ", "second half"});
        log.lose(lost);
        const auto found = log.rebuilt();
        ASSERT_EQ(found.size(), lost == 0 ? 1U : 0U) << lost;
        if (lost == 0) EXPECT_NE(all_of(found[0]).find("first half, second half"), std::string::npos);
    }
}

TEST(rebuild, records_of_other_kinds_and_formats_are_passed_over) {
    written_log log;
    const auto e = log.accept();
    storage::record_header other;
    other.type = static_cast<std::uint16_t>(record_type::snapshot_part);
    other.format = pipeline::record_format;
    other.entity = e->id;
    log.put(other, "a copy");
    other.type = static_cast<std::uint16_t>(record_type::concluded);
    other.format = pipeline::record_format + 1;
    log.put(other, "from a later version");
    log.run(e, "one");
    log.conclude(e);
    EXPECT_EQ(log.rebuilt().size(), 1U);
}

}  // namespace
}  // namespace stages::result
