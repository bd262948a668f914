// A load that several processes of this machine share, each with its own part of the arrivals or users.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/options.hpp"
#include "bench/report.hpp"

namespace bench {

// Starts options.processes of this program with the same arguments, waits for them and merges their reports. Nothing,
// with the exit code to end with, when one of them could not do its part. Thread: the main one.
std::optional<report> run_processes(const std::vector<std::string>& arguments, const load_options& options,
                                    int& exit_code);

}  // namespace bench
