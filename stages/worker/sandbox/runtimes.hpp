// Which interpreters this machine has.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stages/worker/worker.hpp"

namespace stages::worker::sandbox {

struct installed_runtime {
    runtime_info info;
    std::map<std::string, std::string, std::less<>> executables;  // version -> absolute path, as the box sees it too
};

// Python, node and bash below /usr and /bin, in all versions that are installed; never what a home folder offers. Asks
// some of them for their version and blocks meanwhile (tens of milliseconds). Thread: any, at start.
std::vector<installed_runtime> detect_runtimes();

// The executable for a pair of the contract; empty if there is none. An empty version is the default one.
std::string find_executable(const std::vector<installed_runtime>& runtimes, std::string_view lang,
                            std::string_view version);

// "v20.11.1" and the like: the first `parts` numbers after `prefix`, joined by dots; empty if it looks different.
std::string version_after(std::string_view text, std::string_view prefix, int parts);

}  // namespace stages::worker::sandbox
