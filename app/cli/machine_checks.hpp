// What `weir doctor` looks at: whether this machine can keep the promises that the server makes.
#pragma once

#include <string>
#include <vector>

#include "app/cli/terminal.hpp"

namespace app::cli {

enum class health : std::uint8_t { good, warning, problem };  // problem: a promise cannot be kept here

struct finding {
    std::string check;  // a fixed name, a contract for programs that read it
    health verdict = health::good;
    std::string found;
    std::string advice;  // empty when nothing needs to be done
};

// Each looks at the live machine. Thread: the main one, while there is no other, for check_sandbox forks.
std::vector<finding> check_host();  // kernel, cpus, memory, open_files, clock
finding check_sandbox();
std::vector<finding> check_runtimes();
// The file system under the data directory, which is made if need be: writes a small file there and removes it.
std::vector<finding> check_disk(const std::string& data_directory);

// Parts of the above that depend on nothing, for tests.
finding judge_file_system(std::uint64_t magic);
finding judge_sync_times(std::vector<double> each_us);
finding judge_free_space(std::uint64_t bytes);
finding judge_open_files(std::uint64_t soft, std::uint64_t hard);

}  // namespace app::cli
