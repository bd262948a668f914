#include "bench/thresholds.hpp"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(threshold, compares_a_figure_with_a_number) {
    struct row {
        const char* text;
        double value;
        bool holds;
    };
    for (const auto& [text, value, holds] :
         {row{"accepted.p99_ms>20", 20.1, true}, row{"accepted.p99_ms>20", 20, false},
          row{" whole.max_ms >= 5 ", 5, true}, row{"errors.ratio<0.5", 0.4, true}, row{"errors.count <= 0", 1, false},
          row{"oracle.findings!=0", 1, true}, row{"dropped.count==0", 0, true},
          row{"lateness.p999_ms>1e3", 999, false}}) {
        std::string mistake;
        const auto parsed = parse_threshold(text, mistake);
        ASSERT_TRUE(parsed) << mistake;
        EXPECT_EQ(parsed->holds(value), holds) << text;
    }
}

TEST(threshold, names_what_is_wrong_with_it) {
    for (const auto& [text, word] : {std::pair{"accepted.p99_ms", "no condition"},
                                     {"accepted.p98_ms>1", "no figure"},
                                     {"nonsense>1", "no figure"},
                                     {"accepted.p99_ms>x", "no number"},
                                     {"accepted.p99_ms>1x", "no number"},
                                     {"accepted.p99_ms>", "no number"},
                                     {"accepted.p99_ms=1", "relation"},
                                     {"accepted.p99_ms!1", "relation"}}) {
        std::string mistake;
        EXPECT_FALSE(parse_threshold(text, mistake)) << text;
        EXPECT_NE(mistake.find(word), std::string::npos) << mistake;
    }
}

}  // namespace
}  // namespace bench
