#include <gtest/gtest.h>

#include <cstring>

#include "runtime/base/crc32c.hpp"
#include "runtime/base/encoding.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/sha256.hpp"

namespace runtime {
namespace {

std::uint32_t crc_of(std::string_view bytes) { return crc32c(bytes.data(), bytes.size()); }

TEST(crc32c, knows_the_vectors_of_rfc_3720) {
    EXPECT_EQ(crc_of(""), 0U);
    EXPECT_EQ(crc_of("123456789"), 0xe3069283U);
    EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aaU);
    EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43U);
    std::string rising;
    for (char c = 0; c < 32; ++c) rising.push_back(c);
    EXPECT_EQ(crc_of(rising), 0x46dd794eU);
    const std::string falling(rising.rbegin(), rising.rend());
    EXPECT_EQ(crc_of(falling), 0x113fdb5cU);
}

// Bit by bit.
std::uint32_t crc_slowly(std::string_view bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const char c : bytes) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
    }
    return ~crc;
}

TEST(crc32c, goes_on_from_any_place_at_any_alignment) {
    random_source random(1);
    std::string bytes(300, '\0');
    for (auto& c : bytes) c = static_cast<char>(random.next());
    for (std::size_t begin = 0; begin < 9; ++begin) {
        for (std::size_t size = 0; size + begin <= bytes.size(); size += 7) {
            const auto part = std::string_view(bytes).substr(begin, size);
            ASSERT_EQ(crc_of(part), crc_slowly(part));
            const std::size_t half = size / 3;
            const std::uint32_t first = crc32c(part.data(), half);
            ASSERT_EQ(crc32c(part.data() + half, size - half, first), crc_of(part));
        }
    }
}

TEST(crc32c, every_flipped_bit_changes_it) {
    std::string bytes = "a record of the log";
    const std::uint32_t before = crc_of(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        EXPECT_NE(crc_of(bytes), before);
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
}

std::string hex(const sha256_digest& digest) {
    return hex_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

TEST(sha256, knows_the_vectors_of_fips_180) {
    EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(sha256, pieces_give_what_the_whole_gives) {
    random_source random(1);
    std::string bytes(1000, '\0');
    for (auto& c : bytes) c = static_cast<char>(random.next());
    sha256_hasher hasher;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t piece = std::min<std::size_t>(random.below(130), bytes.size() - at);
        hasher.update(std::string_view(bytes).substr(at, piece));
        at += piece;
    }
    EXPECT_EQ(hasher.finish(), sha256(bytes));
}

TEST(random_source, repeats_itself_and_only_itself) {
    random_source one(7);
    random_source same(7);
    random_source other(8);
    int equal = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto value = one.next();
        EXPECT_EQ(value, same.next());
        equal += value == other.next() ? 1 : 0;
    }
    EXPECT_EQ(equal, 0);
    auto split = one.split();
    EXPECT_NE(split.next(), one.next());
}

// The first values of xoshiro256++ from a state that SplitMix64 made of seed 0, computed apart from this code: they are
// part of what a seed of the simulation means.
TEST(random_source, gives_the_same_values_for_ever) {
    random_source zero(0);
    EXPECT_EQ(zero.next(), 0x53175d61490b23dfULL);
    EXPECT_EQ(zero.next(), 0x61da6f3dc380d507ULL);
    EXPECT_EQ(zero.next(), 0x5c0fdf91ec9a7bfcULL);
}

TEST(random_source, below_is_even_and_in_bounds) {
    random_source random(1);
    std::array<int, 10> counts{};
    for (int i = 0; i < 100'000; ++i) ++counts[random.below(10)];
    for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(1), 0U);
    EXPECT_LT(random.below(UINT64_MAX), UINT64_MAX);
}

TEST(random_source, chance_is_in_parts_per_million) {
    random_source random(1);
    int never = 0;
    int always = 0;
    int tenth = 0;
    for (int i = 0; i < 100'000; ++i) {
        never += random.chance(0) ? 1 : 0;
        always += random.chance(1'000'000) ? 1 : 0;
        tenth += random.chance(100'000) ? 1 : 0;
    }
    EXPECT_EQ(never, 0);
    EXPECT_EQ(always, 100'000);
    EXPECT_NEAR(tenth, 10'000, 500);
}

TEST(machine_seed, differs_each_time) { EXPECT_NE(machine_seed(), machine_seed()); }

}  // namespace
}  // namespace runtime
