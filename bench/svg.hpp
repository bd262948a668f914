// Line charts as SVG text, for a page without scripts or anything from elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct chart_line {
    std::string name;
    std::vector<std::pair<double, double>> points;  // by rising x; a y below 0 is a gap
};

enum class chart_scale : std::uint8_t {
    linear,
    logarithmic,
    // x is a share of all values; the axis stretches towards 1: 0, 0.9, 0.99 … are evenly apart.
    percentile
};

struct chart {
    std::string title;
    std::string x_name;
    std::string y_name;
    chart_scale x_scale = chart_scale::linear;
    chart_scale y_scale = chart_scale::linear;
    std::vector<chart_line> lines;
};

// A figure element: title, drawing and legend. Empty when no line has a point. Colours are the page's --line-0 to
// --line-5.
std::string draw(const chart& what);

// For text between tags and in attributes.
std::string escaped_html(std::string_view text);

// Round numbers from low to high, about `wanted` of them; of a logarithmic axis powers of ten and their 2 and 5.
std::vector<double> ticks(double low, double high, chart_scale scale, std::size_t wanted);

}  // namespace bench
