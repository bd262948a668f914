#include "runtime/base/metrics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "runtime/base/assert.hpp"

namespace runtime {
namespace {

constexpr std::string_view limit_metric = "weir_limit_reached_total";

bool is_name(std::string_view name) {
    return !name.empty() && (name.front() < '0' || name.front() > '9') && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

std::string_view type_name(metric_type type) {
    switch (type) {
        case metric_type::counter: return "counter";
        case metric_type::gauge: return "gauge";
        case metric_type::histogram: return "histogram";
    }
    return "untyped";
}

std::string number_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    std::array<char, 32> digits{};
    const auto [end, failure] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    return {digits.data(), end};
}

void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && in_quotes) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

// `bound` is the value of an additional label "le", or empty.
void append_sample(std::string& out, std::string_view name, std::string_view suffix, const metric_labels& labels,
                   std::string_view bound, std::string_view value) {
    out.append(name).append(suffix);
    if (!labels.empty() || !bound.empty()) {
        char before = '{';
        for (const auto& [label, text] : labels) {
            out += before;
            out.append(label).append("=\"");
            append_escaped(out, text, true);
            out += '"';
            before = ',';
        }
        if (!bound.empty()) {
            out += before;
            out.append("le=\"").append(bound).append("\"");
        }
        out += '}';
    }
    out.append(" ").append(value).append("\n");
}

void append_histogram(std::string& out, std::string_view name, const metric_family& family,
                      const metric_series& series) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < series.buckets.size(); ++i) {
        below += series.buckets[i];
        const std::string bound = i < family.bounds.size() ? number_text(family.bounds[i]) : "+Inf";
        append_sample(out, name, "_bucket", series.labels, bound, std::to_string(below));
    }
    append_sample(out, name, "_sum", series.labels, "", number_text(series.value));
    append_sample(out, name, "_count", series.labels, "", std::to_string(below));
}

void read(metric_series& into, const counter& from) { into.count = from.value(); }
void read(metric_series& into, const gauge& from) { into.value = from.value(); }
void read(metric_series& into, const histogram& from) {
    into.value = from.sum();
    into.buckets = from.counts();
}

}  // namespace

// One of the three maps is used, as `type` says. Handles never move.
struct metrics_registry::family {
    std::string help;
    metric_type type;
    std::vector<double> bounds;
    std::map<metric_labels, std::unique_ptr<counter>> counters;
    std::map<metric_labels, std::unique_ptr<gauge>> gauges;
    std::map<metric_labels, std::unique_ptr<histogram>> histograms;

    auto& handles(const counter*) { return counters; }
    auto& handles(const gauge*) { return gauges; }
    auto& handles(const histogram*) { return histograms; }
};

void histogram::observe(double value) noexcept {
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(bucket)];
    sum_ += value;
}

std::span<const double> latency_bounds_s() {
    static constexpr std::array bounds{0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                       0.1,     0.2,    0.5,    1.0,    2.0,   5.0,   10.0,  30.0, 60.0};
    return bounds;
}

void merge(metrics_snapshot& into, const metrics_snapshot& other) {
    for (const auto& [name, theirs] : other) {
        const auto [place, is_new] = into.try_emplace(name, theirs);
        if (is_new) continue;
        metric_family& ours = place->second;
        WEIR_ASSERT(ours.type == theirs.type && ours.bounds == theirs.bounds);
        for (const auto& [labels, series] : theirs.series) {
            const auto [at, added] = ours.series.try_emplace(labels, series);
            if (added) continue;
            at->second.count += series.count;
            at->second.value += series.value;
            for (std::size_t i = 0; i < series.buckets.size(); ++i) at->second.buckets[i] += series.buckets[i];
        }
    }
}

std::string render_prometheus(const metrics_snapshot& snapshot) {
    std::string out;
    for (const auto& [name, family] : snapshot) {
        out.append("# HELP ").append(name).append(" ");
        append_escaped(out, family.help, false);
        out.append("\n# TYPE ").append(name).append(" ").append(type_name(family.type)).append("\n");
        for (const auto& [labels, series] : family.series) {
            if (family.type == metric_type::histogram) {
                append_histogram(out, name, family, series);
            } else if (family.type == metric_type::counter) {
                append_sample(out, name, "", labels, "", std::to_string(series.count));
            } else {
                append_sample(out, name, "", labels, "", number_text(series.value));
            }
        }
    }
    return out;
}

metrics_registry::metrics_registry() : hidden_histogram_(latency_bounds_s()) { declare_limit("metrics.series_max"); }
metrics_registry::~metrics_registry() = default;

template <class Handle, class... Arguments>
Handle& metrics_registry::find_or_make(std::string_view name, std::string_view help, metric_type type,
                                       metric_labels labels, Arguments&&... arguments) {
    auto found = families_.find(name);
    if (found == families_.end()) {
        WEIR_ASSERT(is_name(name) && !help.empty());
        WEIR_ASSERT(name.ends_with("_total") == (type == metric_type::counter));
        auto made = std::make_unique<family>();
        made->help = help;
        made->type = type;
        found = families_.emplace(name, std::move(made)).first;
    }
    WEIR_ASSERT(found->second->type == type);
    std::ranges::sort(labels);
    for (const auto& label : labels) WEIR_ASSERT(is_name(label.first));
    auto& handles = found->second->handles(static_cast<const Handle*>(nullptr));
    const auto existing = handles.find(labels);
    if (existing != handles.end()) return *existing->second;
    if (series_count_ >= series_max) {
        limits_.find("metrics.series_max")->second->add();
        if constexpr (std::is_same_v<Handle, counter>) return hidden_counter_;
        if constexpr (std::is_same_v<Handle, gauge>) return hidden_gauge_;
        if constexpr (std::is_same_v<Handle, histogram>) return hidden_histogram_;
    }
    ++series_count_;
    auto handle = std::make_unique<Handle>(std::forward<Arguments>(arguments)...);
    return *handles.emplace(std::move(labels), std::move(handle)).first->second;
}

counter& metrics_registry::make_counter(std::string_view name, std::string_view help, metric_labels labels) {
    return find_or_make<counter>(name, help, metric_type::counter, std::move(labels));
}

gauge& metrics_registry::make_gauge(std::string_view name, std::string_view help, metric_labels labels) {
    return find_or_make<gauge>(name, help, metric_type::gauge, std::move(labels));
}

histogram& metrics_registry::make_histogram(std::string_view name, std::string_view help,
                                            std::span<const double> bounds, metric_labels labels) {
    WEIR_ASSERT(!bounds.empty() && std::ranges::is_sorted(bounds));
    histogram& made = find_or_make<histogram>(name, help, metric_type::histogram, std::move(labels), bounds);
    auto& known = families_.find(name)->second->bounds;
    if (known.empty()) known.assign(bounds.begin(), bounds.end());
    WEIR_ASSERT(std::ranges::equal(known, bounds));
    return made;
}

counter& metrics_registry::declare_limit(std::string_view limit) {
    const auto known = limits_.find(limit);
    if (known != limits_.end()) return *known->second;
    counter& made = make_counter(limit_metric, "How often a named limit was reached.", {{"limit", std::string(limit)}});
    limits_.emplace(limit, &made);
    return made;
}

metrics_registry::hook_ticket::~hook_ticket() {
    if (registry_ != nullptr) registry_->hooks_.erase(number_);
}

metrics_registry::hook_ticket metrics_registry::on_collect(collect_hook hook) {
    hooks_.emplace(++next_hook_, std::move(hook));
    return {*this, next_hook_};
}

metrics_snapshot metrics_registry::collect() {
    for (auto& [number, hook] : hooks_) hook();
    metrics_snapshot out;
    for (const auto& [name, from] : families_) {
        metric_family& family = out[name];
        family.help = from->help;
        family.type = from->type;
        family.bounds = from->bounds;
        const auto copy = [&family](const auto& handles) {
            for (const auto& [labels, handle] : handles) {
                metric_series& series = family.series[labels];
                series.labels = labels;
                read(series, *handle);
            }
        };
        copy(from->counters);
        copy(from->gauges);
        copy(from->histograms);
    }
    return out;
}

}  // namespace runtime
