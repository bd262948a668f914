#include "bench/svg.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bench/json.hpp"
#include "bench/progress.hpp"

namespace bench {
namespace {

constexpr double width = 720, height = 260, left = 64, right = 16, top = 12, bottom = 40;

double along(double value, chart_scale scale) {
    switch (scale) {
        case chart_scale::linear: return value;
        case chart_scale::logarithmic: return std::log10(std::max(value, 1e-6));
        case chart_scale::percentile: return -std::log10(std::max(1 - value, 1e-9));
    }
    return value;
}

struct axis {
    double low = INFINITY;
    double high = -INFINITY;
    chart_scale scale = chart_scale::linear;

    void take(double value) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    [[nodiscard]] double share(double value) const {
        const double from = along(low, scale);
        const double to = along(high, scale);
        return to > from ? (along(value, scale) - from) / (to - from) : 0.5;
    }
};

std::string coordinate(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

double x_of(double value, const axis& x) { return left + x.share(value) * (width - left - right); }
double y_of(double value, const axis& y) { return height - bottom - y.share(value) * (height - top - bottom); }

std::string label_of(double value, chart_scale scale) {
    if (scale == chart_scale::percentile) return json::number(std::round(value * 1e7) / 1e5) + " %";
    return value >= 1000 ? grouped(static_cast<std::uint64_t>(std::llround(value))) : json::number(value);
}

std::string path_of(const chart_line& line, const axis& x, const axis& y) {
    std::string out;
    bool down = false;
    for (const auto& [at, value] : line.points) {
        if (value < 0) {
            down = false;
            continue;
        }
        out += (down ? "L" : "M") + coordinate(x_of(at, x)) + " " + coordinate(y_of(value, y));
        down = true;
    }
    return out;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
    return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + anchor + "\">" +
           escaped_html(text) + "</text>";
}

std::string grid(const chart& what, const axis& x, const axis& y) {
    std::string out;
    for (const double tick : ticks(y.low, y.high, y.scale, 5)) {
        const std::string at = coordinate(y_of(tick, y));
        out += "<path class=\"grid\" d=\"M" + coordinate(left) + " " + at + "H" + coordinate(width - right) + "\"/>";
        out += text_at(left - 6, y_of(tick, y) + 4, "end", label_of(tick, y.scale));
    }
    for (const double tick : ticks(x.low, x.high, x.scale, 8))
        out += text_at(x_of(tick, x), height - bottom + 16, "middle", label_of(tick, x.scale));
    out += text_at((left + width - right) / 2, height - 6, "middle", what.x_name);
    out += text_at(left, top - 2, "end", what.y_name);
    return out;
}

// Of a logarithmic axis 1, 2 or 5 times a power of ten.
double rounded(double value, bool upwards) {
    const double power = std::pow(10, std::floor(std::log10(value)));
    if (upwards) {
        for (const double step : {1.0, 2.0, 5.0, 10.0})
            if (step * power >= value * 0.999) return step * power;
    }
    for (const double step : {5.0, 2.0, 1.0})
        if (step * power <= value * 1.001) return step * power;
    return power;
}

void widen(axis& y) {
    if (y.scale == chart_scale::logarithmic) {
        y.low = rounded(std::max(y.low, 0.001), false);
        y.high = std::max(rounded(std::max(y.high, 0.001), true), y.low * 10);
        return;
    }
    y.low = 0;
    y.high = y.high <= 0 ? 1 : y.high * 1.05;
}

}  // namespace

std::string escaped_html(std::string_view text) {
    std::string out;
    for (const char one : text) {
        switch (one) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += one;
        }
    }
    return out;
}

std::vector<double> ticks(double low, double high, chart_scale scale, std::size_t wanted) {
    std::vector<double> out;
    if (scale == chart_scale::percentile) {
        for (const double share : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999})
            if (share >= low - 1e-9 && share <= high + 1e-9) out.push_back(share);
        return out;
    }
    if (scale == chart_scale::logarithmic) {
        const bool few = std::log10(high / low) > 2.5;
        for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
            for (const double step : {1.0, 2.0, 5.0})
                if ((step == 1 || !few) && step * power >= low * 0.999 && step * power <= high * 1.001)
                    out.push_back(step * power);
        return out;
    }
    if (high <= low) return {low};
    const double raw = (high - low) / static_cast<double>(wanted);
    const double step = rounded(raw, true);
    for (double at = std::ceil(low / step) * step; at <= high + step * 1e-6; at += step) out.push_back(at);
    return out;
}

std::string draw(const chart& what) {
    axis x, y;
    x.scale = what.x_scale;
    y.scale = what.y_scale;
    for (const auto& line : what.lines)
        for (const auto& [at, value] : line.points) {
            if (value < 0) continue;
            x.take(at);
            y.take(value);
        }
    if (x.low > x.high) return {};
    widen(y);
    std::string out = "<figure><figcaption>" + escaped_html(what.title) + "</figcaption><svg viewBox=\"0 0 " +
                      coordinate(width) + " " + coordinate(height) + "\" role=\"img\" aria-label=\"" +
                      escaped_html(what.title) + "\">" + grid(what, x, y);
    std::string legend;
    for (std::size_t i = 0; i < what.lines.size(); ++i) {
        const std::string path = path_of(what.lines[i], x, y);
        if (path.empty()) continue;
        const std::string color = "var(--line-" + std::to_string(i % 6) + ")";
        out += "<path class=\"line\" style=\"stroke:" + color + "\" d=\"" + path + "\"><title>" +
               escaped_html(what.lines[i].name) + "</title></path>";
        legend += "<li><i style=\"background:" + color + "\"></i>" + escaped_html(what.lines[i].name) + "</li>";
    }
    return out + "</svg><ul class=\"legend\">" + legend + "</ul></figure>\n";
}

}  // namespace bench
