// `weir bench compare A B`: what became better or worse, as ratios.
#pragma once

#include <string>
#include <vector>

#include "bench/report.hpp"

namespace bench {

enum class change : std::uint8_t { same, better, worse };

struct compared_figure {
    std::string name;
    double before = 0;
    double after = 0;
    double ratio = 0;  // after / before
    change what = change::same;
};

struct comparison {
    std::vector<compared_figure> figures;
    std::vector<std::string> notes;  // what makes the two hard to compare
    std::string refused;             // why they are not compared at all, or empty
    [[nodiscard]] bool any(change what) const;
};

// A figure is the same within `tolerance` (0.1: a tenth), and where the difference is too small to be meant: below
// 50 us of a latency, or with too few measured values. Wrong and invalid runs are not compared.
comparison compare(const report& before, const report& after, double tolerance);

json::value to_json(const comparison& what);
std::string text_of(const comparison& what);

}  // namespace bench
