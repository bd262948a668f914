// Conditions over the figures of a report, as in "accepted.p99_ms>20".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

// By name: "accepted.p99_ms". Units last, as everywhere.
using figures = std::map<std::string, double>;

struct threshold {
    enum class relation : std::uint8_t { above, at_least, below, at_most, equal, unequal };

    std::string text;
    std::string figure;
    relation how = relation::above;
    double limit = 0;

    [[nodiscard]] bool holds(double value) const;
};

// FIGURE, one of > >= < <= == !=, NUMBER; white space is allowed between. Nothing, and a sentence, otherwise. Names
// that no report can have are mistakes too.
std::optional<threshold> parse_threshold(std::string_view text, std::string& mistake);

// Whether a report may have a figure of this name.
bool is_figure_name(std::string_view name);

}  // namespace bench
