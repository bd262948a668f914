// What every blobs promises, over each log there is: the embedded one on the machine's disk and on the simulated
// one, and
// the one over the simulated broker. Two shards, each with a partition of its own.
#include <gtest/gtest.h>

#include <map>

#include "runtime/spawn.hpp"
#include "storage/embedded/blobs/log_blobs.hpp"
#include "tests/unit/storage/log_rigs.hpp"

namespace tests {
namespace {

using runtime::task;
using storage::blob_piece_bytes_max;
using storage::blob_reference;
using storage::log_errc;
using storage::partition_id;
using storage::record_header;
using storage::embedded::log_blobs;
using storage::embedded::writer_kind;

constexpr std::uint16_t naming_type = 3;
constexpr std::uint16_t piece_type = 9;

struct commits final : storage::log_listener {
    std::map<partition_id, storage::offset> through;
    void committed(partition_id partition, storage::offset offset) override { through[partition] = offset; }
    void failed(partition_id, boost::system::error_code why) override { ADD_FAILURE() << why.message(); }
    void resumed() override {}
};

struct kept_blob {
    blob_reference reference;
    storage::offset named_at = 0;
    std::string bytes;
};

class blobs_conformance : public ::testing::TestWithParam<rig_parameter> {
  protected:
    void SetUp() override { rig_ = GetParam().make(GetParam().seed); }

    // Begins a life in which shard i owns partition (i + turn) % 2.
    void begin(std::size_t turn) {
        ASSERT_EQ(rig_->begin_life(2), "");
        for (std::size_t i = 0; i < 2; ++i) {
            owned_[i] = {static_cast<std::uint16_t>((i + turn) % 2)};
            fronts_[i] = std::make_unique<log_blobs>(rig_->log(i), piece_type);
            rig_->run(i, [&] { return open(i); });
        }
    }
    void end() {
        for (auto& front : fronts_) front.reset();
        rig_->end_life();
    }

    task<void> open(std::size_t i) {
        const std::vector<partition_id> mine{owned_[i]};
        auto replay = [this](const storage::record_view& view) {
            ++(view.header.type == piece_type ? replayed_pieces_ : replayed_others_);
            return true;
        };
        const auto opened = co_await rig_->log(i).open(mine, std::move(replay), commits_[i]);
        EXPECT_TRUE(opened.has_value()) << opened.error().message();
    }

    // Puts a blob and the record that names it, without giving way in between, and waits for both.
    task<void> put(std::size_t i, std::size_t size) {
        record_header like;
        like.type = naming_type;
        like.partition = owned_[i];
        like.entity = runtime::named_id("execution", std::to_string(size));
        like.first_event = 1;
        like.event_count = 1;
        kept_blob one;
        one.bytes.resize(size);
        for (std::size_t at = 0; at < size; ++at) one.bytes[at] = static_cast<char>((at * 31 + size + at / 997) % 251);
        const auto reference = fronts_[i]->put(like, one.bytes);
        const auto named = rig_->log(i).append(like, "names it");
        EXPECT_TRUE(reference.has_value() && named.has_value());
        if (!reference || !named) co_return;
        if (reference->pieces > 0) EXPECT_EQ(named->at, reference->first + reference->pieces);
        rig_->log(i).hurry();
        while (commits_[i].through[like.partition] < named->at) co_await runtime::sleep_for(runtime::microseconds(100));
        one.reference = *reference;
        one.named_at = named->at;
        kept_[like.partition].push_back(std::move(one));
    }

    task<void> put_every_size(std::size_t i) {
        const std::size_t piece = blob_piece_bytes_max;
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, piece, piece + 1, 3 * piece - 1, 20 * piece + 7})
            co_await put(i, size);
    }

    task<void> get_all(std::size_t i) {
        for (const kept_blob& each : kept_[owned_[i]]) {
            const auto got = co_await fronts_[i]->get(owned_[i], each.reference);
            EXPECT_TRUE(got.has_value()) << each.bytes.size() << " bytes: " << got.error().message();
            EXPECT_TRUE(got.has_value() && *got == each.bytes) << each.bytes.size() << " bytes";
        }
    }

    task<void> release_first(std::size_t i) {
        const auto& kept = kept_[owned_[i]];
        // The second blob's naming record goes, and with it its pieces and all before.
        rig_->log(i).release(owned_[i], kept[1].named_at + 1);
        const auto gone = co_await fronts_[i]->get(owned_[i], kept[1].reference);
        EXPECT_TRUE(gone.has_error() && gone.error() == log_errc::not_found);
        const auto stays = co_await fronts_[i]->get(owned_[i], kept[2].reference);
        EXPECT_TRUE(stays.has_value() && *stays == kept[2].bytes);
    }

    task<void> refuse_what_is_not_there(std::size_t i) {
        const auto& kept = kept_[owned_[i]];
        blob_reference beyond = kept.back().reference;
        beyond.first = kept.back().named_at + 1;
        const auto missing = co_await fronts_[i]->get(owned_[i], beyond);
        EXPECT_TRUE(missing.has_error() && missing.error() == log_errc::not_found);
        blob_reference moved = kept.back().reference;
        moved.first += 1;
        const auto wrong = co_await fronts_[i]->get(owned_[i], moved);
        EXPECT_TRUE(wrong.has_error() && wrong.error() == log_errc::corrupt);
    }

    std::unique_ptr<log_rig> rig_;
    std::array<partition_id, 2> owned_;
    std::array<std::unique_ptr<log_blobs>, 2> fronts_;
    std::array<commits, 2> commits_;
    std::map<partition_id, std::vector<kept_blob>> kept_;
    std::atomic<std::size_t> replayed_pieces_{0};
    std::atomic<std::size_t> replayed_others_{0};
};

TEST_P(blobs_conformance, every_size_comes_back_in_this_life_and_the_next) {
    begin(0);
    for (std::size_t i = 0; i < 2; ++i) {
        rig_->run(i, [&] { return put_every_size(i); });
        rig_->run(i, [&] { return get_all(i); });
        rig_->run(i, [&] { return refuse_what_is_not_there(i); });
    }
    end();
    // The partitions have changed their shards.
    begin(1);
    EXPECT_EQ(replayed_pieces_, 2U * (1 + 1 + 2 + 3 + 21));
    EXPECT_EQ(replayed_others_, 2U * 6);
    for (std::size_t i = 0; i < 2; ++i) rig_->run(i, [&] { return get_all(i); });
    for (std::size_t i = 0; i < 2; ++i) rig_->run(i, [&] { return release_first(i); });
    end();
}

std::string name_of(const testing::TestParamInfo<rig_parameter>& info) {
    return info.param.name + "_" + std::to_string(info.param.seed);
}

std::vector<rig_parameter> logs() {
    const auto simulated = [](std::uint64_t seed) { return std::make_unique<simulated_embedded_rig>(seed); };
    const auto broker = [](std::uint64_t seed) { return make_broker_rig(seed, false); };
    return {
        {"io_uring", [](std::uint64_t) { return make_real_rig(writer_kind::automatic, true); }, 1},
        {"thread", [](std::uint64_t) { return make_real_rig(writer_kind::thread, true); }, 1},
        {"simulated", simulated, 1},
        {"simulated", simulated, 2},
        {"broker", broker, 1},
        {"broker", broker, 2},
    };
}

INSTANTIATE_TEST_SUITE_P(logs, blobs_conformance, testing::ValuesIn(logs()), name_of);

}  // namespace
}  // namespace tests
