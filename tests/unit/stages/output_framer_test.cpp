#include "stages/worker/output_framer.hpp"

#include <gtest/gtest.h>

#include "runtime/base/encoding.hpp"
#include "runtime/base/random.hpp"

namespace stages::worker {
namespace {

struct collected {
    std::string bytes;
    bool all_text = true;
    bool truncated = false;
};

// Feeds in random pieces and checks what holds for every frame.
collected feed_in_pieces(const std::string& all, std::uint64_t limit, runtime::random_source& random) {
    output_framer framer(limit);
    collected out;
    const auto take = [&](const std::vector<output_frame>& frames) {
        for (const auto& frame : frames) {
            EXPECT_EQ(frame.offset, out.bytes.size());
            EXPECT_FALSE(frame.bytes.empty());
            EXPECT_LE(frame.bytes.size(), output_frame_bytes_max);
            EXPECT_EQ(frame.is_text, runtime::is_utf8(frame.bytes));
            out.all_text = out.all_text && frame.is_text;
            out.bytes += frame.bytes;
        }
    };
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t size =
            std::min<std::size_t>(all.size() - at, 1 + random.below(random.below(2) ? 7 : 100'000));
        take(framer.feed(std::string_view(all).substr(at, size)));
        at += size;
    }
    take(framer.finish());
    out.truncated = framer.truncated();
    return out;
}

std::string random_text(std::size_t characters, runtime::random_source& random) {
    static const std::vector<std::string> alphabet = {"a", "\n", std::string(1, '\0'), "ä", "€", "😀"};
    std::string out;
    for (std::size_t i = 0; i < characters; ++i) out += alphabet[random.below(alphabet.size())];
    return out;
}

TEST(output_framer, text_stays_text_however_it_is_cut) {
    runtime::random_source random(1);
    for (int round = 0; round < 100; ++round) {
        const std::string all = random_text(random.below(round == 0 ? 200'000 : 2'000), random);
        const auto got = feed_in_pieces(all, 1 << 30, random);
        EXPECT_EQ(got.bytes, all);
        EXPECT_TRUE(got.all_text);
        EXPECT_FALSE(got.truncated);
    }
}

TEST(output_framer, any_bytes_come_back_exactly) {
    runtime::random_source random(2);
    for (int round = 0; round < 100; ++round) {
        std::string all = random_text(random.below(1000), random);
        for (auto& c : all)
            if (random.below(20) == 0) c = static_cast<char>(random.next());
        EXPECT_EQ(feed_in_pieces(all, 1 << 30, random).bytes, all);
    }
}

TEST(output_framer, the_cut_steps_back_to_the_end_of_a_character) {
    runtime::random_source random(3);
    for (int round = 0; round < 300; ++round) {
        const std::string all = random_text(1 + random.below(500), random);
        const std::uint64_t limit = random.below(all.size() + 3);
        const auto got = feed_in_pieces(all, limit, random);
        EXPECT_EQ(got.truncated, all.size() > limit);
        EXPECT_TRUE(got.all_text);
        EXPECT_LE(got.bytes.size(), limit);
        if (got.truncated) EXPECT_GT(got.bytes.size() + 4, limit);
        EXPECT_EQ(all.substr(0, got.bytes.size()), got.bytes);
    }
}

TEST(output_framer, an_unfinished_character_at_the_end_goes_as_bytes) {
    output_framer framer(100);
    const auto first = framer.feed("a\xe2\x82");
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].bytes, "a");
    const auto last = framer.finish();
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].bytes, "\xe2\x82");
    EXPECT_EQ(last[0].offset, 1U);
    EXPECT_FALSE(last[0].is_text);
}

}  // namespace
}  // namespace stages::worker
