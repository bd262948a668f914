// Metrics. Every shard owns one registry of plain numbers, which it alone touches; a scrape collects each shard's by
// value and merges them. A handle is looked up once, when its owner is made; counting is then one addition.
//
// Limits: a registry holds at most series_max series; what comes after that counts into one hidden series and into
// weir_limit_reached_total{limit="metrics.series_max"}, so that a label that was meant to be a closed set and is not
// cannot take the memory.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/unique_function.hpp"

namespace runtime {

// Sorted by name when they are stored; names match [a-z_][a-z0-9_]*.
using metric_labels = std::vector<std::pair<std::string, std::string>>;

enum class metric_type : std::uint8_t { counter, gauge, histogram };

// Shard: its registry's. Lives as long as the registry.
class counter {
  public:
    void add(std::uint64_t n = 1) noexcept { value_ += n; }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  private:
    std::uint64_t value_ = 0;
};

// As counter; over shards the values are added.
class gauge {
  public:
    void set(double value) noexcept { value_ = value; }
    void add(double n) noexcept { value_ += n; }
    [[nodiscard]] double value() const noexcept { return value_; }

  private:
    double value_ = 0;
};

// Counts by upper bounds, which rise; one bucket for what is above the last.
class histogram {
  public:
    explicit histogram(std::span<const double> bounds)
        : bounds_(bounds.begin(), bounds.end()), counts_(bounds.size() + 1) {}

    void observe(double value) noexcept;
    [[nodiscard]] const std::vector<double>& bounds() const noexcept { return bounds_; }
    [[nodiscard]] const std::vector<std::uint64_t>& counts() const noexcept { return counts_; }
    [[nodiscard]] double sum() const noexcept { return sum_; }

  private:
    std::vector<double> bounds_;
    std::vector<std::uint64_t> counts_;
    double sum_ = 0;
};

// 50 µs to 60 s, in seconds: what a latency of ours may be.
std::span<const double> latency_bounds_s();

// What was collected: values, no handles. Families by name, series by labels.
struct metric_series {
    metric_labels labels;
    std::uint64_t count = 0;               // of a counter
    double value = 0;                      // of a gauge; the sum of a histogram
    std::vector<std::uint64_t> buckets{};  // of a histogram, one more than bounds
};
struct metric_family {
    std::string help;
    metric_type type = metric_type::counter;
    std::vector<double> bounds;
    std::map<metric_labels, metric_series> series;
};
using metrics_snapshot = std::map<std::string, metric_family, std::less<>>;

// Adds `other` into `into`: counters, gauges and buckets are added.
void merge(metrics_snapshot& into, const metrics_snapshot& other);
// The Prometheus text format 0.0.4.
std::string render_prometheus(const metrics_snapshot& snapshot);

class metrics_registry {
  public:
    static constexpr std::size_t series_max = 10'000;

    metrics_registry();
    ~metrics_registry();
    metrics_registry(const metrics_registry&) = delete;
    metrics_registry& operator=(const metrics_registry&) = delete;

    // The same name and labels give the same handle. A name has one type; a counter's ends in "_total". Names without a
    // label are shown from the moment they are made, with 0.
    counter& make_counter(std::string_view name, std::string_view help, metric_labels labels = {});
    gauge& make_gauge(std::string_view name, std::string_view help, metric_labels labels = {});
    histogram& make_histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                              metric_labels labels = {});

    // weir_limit_reached_total{limit="…"}. A limit is declared where it is made, so that it is shown with 0. The name
    // is the configuration property's, or the place and name of a constant.
    counter& declare_limit(std::string_view limit);
    // Declares it if need be; for paths that are rare.
    void limit_reached(std::string_view limit) { declare_limit(limit).add(); }

    // Called at the beginning of each collect(), to set gauges from what is only known by asking. The ticket's owner
    // must outlive the calls; dropping the ticket ends them.
    using collect_hook = unique_function<void()>;
    class hook_ticket {
      public:
        hook_ticket() = default;
        hook_ticket(hook_ticket&& other) noexcept
            : registry_(std::exchange(other.registry_, nullptr)), number_(other.number_) {}
        hook_ticket& operator=(hook_ticket&& other) noexcept {
            std::swap(registry_, other.registry_);
            std::swap(number_, other.number_);
            return *this;
        }
        ~hook_ticket();

      private:
        friend class metrics_registry;
        hook_ticket(metrics_registry& registry, std::uint64_t number) : registry_(&registry), number_(number) {}
        metrics_registry* registry_ = nullptr;
        std::uint64_t number_ = 0;
    };
    [[nodiscard]] hook_ticket on_collect(collect_hook hook);

    [[nodiscard]] metrics_snapshot collect();

  private:
    struct family;
    template <class Handle, class... Arguments>
    Handle& find_or_make(std::string_view name, std::string_view help, metric_type type, metric_labels labels,
                         Arguments&&... arguments);

    std::map<std::string, std::unique_ptr<family>, std::less<>> families_;
    std::size_t series_count_ = 0;
    std::map<std::uint64_t, collect_hook> hooks_;
    std::uint64_t next_hook_ = 0;
    std::map<std::string, counter*, std::less<>> limits_;
    counter hidden_counter_;
    gauge hidden_gauge_;
    histogram hidden_histogram_;
};

}  // namespace runtime
