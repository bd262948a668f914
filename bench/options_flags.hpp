// The flags of `weir bench`, as CLI11 knows them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/options.hpp"

namespace CLI {
class App;
}

namespace bench {

// What CLI11 writes into; turned into options afterwards.
struct typed_values {
    load_options load;
    std::string duration, warmup, ramp, drain, drain_max, timeout, think, report_every, progress_every;
    std::string arrivals = "poisson";
    std::string think_kind = "exponential";
    std::string watch = "stream";
    std::string script_file, expect_file, part, audit;
    std::string output;
    std::optional<std::string> expect_text;
    std::vector<std::string> limits;
    bool no_keys = false, expect_nothing = false, expect_anything = false, no_repost = false;
    double tolerance_percent = 10;
    std::vector<std::string> files;
};

// All commands with their flags; `server` is the default address.
void add_commands(CLI::App& app, typed_values& values, const std::string& server);

}  // namespace bench
