// How a run goes, on standard error: one line that is written again on a terminal, plain lines now and then elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include "bench/report.hpp"
#include "runtime/base/time.hpp"

namespace bench {

// Shard: the conductor's.
class progress {
  public:
    struct state {
        std::string mode;
        double of_s = 0;  // 0: no end is known
        counters counts;
        std::uint64_t findings = 0;
        series_point now;
    };

    progress(bool quiet, runtime::milliseconds every);
    ~progress();
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    void show(const state& what);
    // A line that stays.
    void say(const std::string& line);

    static std::string line_of(const state& what);

  private:
    void clear();

    bool quiet_;
    bool terminal_;
    double every_s_;
    double next_s_ = 0;
    bool shown_ = false;
};

// "12,345", "0.42", "123": what a person reads at a glance.
std::string grouped(std::uint64_t count);
std::string brief(double what);

}  // namespace bench
