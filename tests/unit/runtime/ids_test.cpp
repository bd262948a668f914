#include "runtime/base/ids.hpp"

#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

namespace runtime {
namespace {

class still_clock final : public clock {
  public:
    std::int64_t microseconds = 0;
    [[nodiscard]] utc_time utc() const override { return {microseconds}; }
    [[nodiscard]] steady_time steady() const override { return {}; }
};

// 2026-11-21T03:04:05.678901Z
constexpr std::int64_t some_day_us = 1'795'230'245'678'901;

TEST(id_generator, lays_out_a_uuid_version_7_with_the_slot_at_its_end) {
    still_clock time;
    time.microseconds = some_day_us;
    id_generator ids(time, random_source(1));
    const execution_id id = ids.next({0xabcd});
    std::uint64_t millis = 0;
    for (std::size_t i = 0; i < 6; ++i) millis = millis << 8 | id.bytes[i];
    EXPECT_EQ(millis, static_cast<std::uint64_t>(some_day_us / 1000));
    EXPECT_EQ(id.bytes[6] >> 4, 7);
    EXPECT_EQ(id.bytes[8] >> 6, 2);
    EXPECT_EQ(id.bytes[14], 0xab);
    EXPECT_EQ(id.bytes[15], 0xcd);
    EXPECT_EQ(id.home(), (slot{0xabcd}));
    EXPECT_EQ(id.created_at().microseconds_since_epoch, some_day_us);
}

TEST(id_generator, gives_every_microsecond_back) {
    still_clock time;
    id_generator ids(time, random_source(1));
    for (std::int64_t us = 0; us < 3000; ++us) {
        time.microseconds = some_day_us + us;
        EXPECT_EQ(ids.next({0}).created_at().microseconds_since_epoch, time.microseconds);
    }
}

TEST(id_generator, rises_strictly_whatever_the_clock_does) {
    still_clock time;
    time.microseconds = some_day_us;
    id_generator ids(time, random_source(1));
    random_source random(2);
    execution_id last = ids.next({0});
    for (int i = 0; i < 100'000; ++i) {
        // Stands still, jumps forward, jumps back.
        if (random.chance(10'000)) time.microseconds += static_cast<std::int64_t>(random.below(2'000'000)) - 1'000'000;
        const execution_id id = ids.next({static_cast<std::uint16_t>(random.next())});
        ASSERT_LT(last, id);
        ASSERT_TRUE(execution_id::parse(id.to_string()).has_value());
        last = id;
    }
}

TEST(id_generator, two_generators_do_not_meet) {
    still_clock time;
    time.microseconds = some_day_us;
    id_generator one(time, random_source(1));
    id_generator two(time, random_source(2));
    std::set<execution_id> seen;
    for (int i = 0; i < 10'000; ++i) {
        EXPECT_TRUE(seen.insert(one.next({1})).second);
        EXPECT_TRUE(seen.insert(two.next({1})).second);
    }
}

TEST(uuid, prints_and_parses_its_canonical_form) {
    uuid id;
    for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(i * 17);
    EXPECT_EQ(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    EXPECT_EQ(uuid::parse("00112233-4455-6677-8899-aabbccddeeff"), id);
    EXPECT_TRUE(uuid().is_nil());
    EXPECT_FALSE(id.is_nil());
}

TEST(uuid, parse_takes_nothing_else) {
    const std::string good = "00112233-4455-6677-8899-aabbccddeeff";
    EXPECT_FALSE(uuid::parse(""));
    EXPECT_FALSE(uuid::parse(good.substr(1)));
    EXPECT_FALSE(uuid::parse(good + "0"));
    EXPECT_FALSE(uuid::parse("{" + good + "}"));
    EXPECT_FALSE(uuid::parse("00112233-4455-6677-8899-AABBCCDDEEFF"));
    EXPECT_FALSE(uuid::parse("00112233445566778899aabbccddeeff"));
    EXPECT_FALSE(uuid::parse("0011223-34455-6677-8899-aabbccddeeff"));
    // One wrong character at each place.
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const char wrong : {'g', ' ', '\0', '/', ':', '`', '\xff', good[i] == '-' ? '0' : '-'}) {
            std::string text = good;
            text[i] = wrong;
            EXPECT_FALSE(uuid::parse(text)) << i;
        }
    }
}

TEST(execution_id, parse_demands_version_and_variant) {
    EXPECT_TRUE(execution_id::parse("019aa4b1-72ee-7abc-8def-0123456789ab"));
    EXPECT_TRUE(execution_id::parse("019aa4b1-72ee-7abc-bdef-0123456789ab"));
    EXPECT_FALSE(execution_id::parse("019aa4b1-72ee-4abc-8def-0123456789ab"));
    EXPECT_FALSE(execution_id::parse("019aa4b1-72ee-8abc-8def-0123456789ab"));
    EXPECT_FALSE(execution_id::parse("019aa4b1-72ee-7abc-7def-0123456789ab"));
    EXPECT_FALSE(execution_id::parse("019aa4b1-72ee-7abc-cdef-0123456789ab"));
    EXPECT_FALSE(execution_id::parse("00000000-0000-0000-0000-000000000000"));
}

TEST(partition_of, splits_when_their_number_doubles) {
    for (std::uint32_t value = 0; value < 65536; value += 97) {
        const slot s{static_cast<std::uint16_t>(value)};
        EXPECT_EQ(partition_of(s, 0).value, 0);
        EXPECT_EQ(partition_of(s, 16).value, value);
        for (unsigned bits = 0; bits < 16; ++bits)
            EXPECT_EQ(partition_of(s, bits + 1).value / 2, partition_of(s, bits).value);
    }
}

TEST(named_id, is_a_uuid_version_8_that_depends_on_kind_and_name) {
    const uuid id = named_id("tenant", "acme");
    EXPECT_EQ(id.bytes[6] >> 4, 8);
    EXPECT_EQ(id.bytes[8] >> 6, 2);
    EXPECT_EQ(id, named_id("tenant", "acme"));
    EXPECT_NE(id, named_id("user", "acme"));
    EXPECT_NE(id, named_id("tenant", "acmf"));
    // The border between kind and name counts.
    EXPECT_NE(named_id("ab", "c"), named_id("a", "bc"));
    // It is on disk: the first bytes of SHA-256("tenant\0default"), so it must never change.
    EXPECT_EQ(named_id("tenant", "default").to_string(), "8cef27d5-bafa-8c6e-b05d-6fcc79a9c298");
}

TEST(uuid_hash, spreads_ids_of_one_moment) {
    still_clock time;
    time.microseconds = some_day_us;
    id_generator ids(time, random_source(1));
    std::unordered_set<std::size_t> buckets;
    for (int i = 0; i < 1024; ++i) buckets.insert(std::hash<execution_id>()(ids.next({7})) % 1024);
    // 1024 balls in 1024 bins leave about 647 occupied.
    EXPECT_GT(buckets.size(), 550U);
}

}  // namespace
}  // namespace runtime
