// Where the manifests of languages are, and what of them this machine has.
#pragma once

#include <string>
#include <vector>

#include "stages/worker/runtimes/installed.hpp"

namespace app {

struct known_runtimes {
    std::string folder;
    std::vector<stages::worker::runtimes::manifest> manifests;
    std::vector<std::string> errors;  // not empty: nothing of it may be used

    // What boxes need of the machine's /etc.
    [[nodiscard]] std::vector<std::string> etc() const;
};

// `asked` is runtimes.directory. When it is empty, the first that exists of: /etc/weir/runtimes, `runtimes` beside this
// binary, ../share/weir/runtimes from there. Thread: the main one, at start.
known_runtimes read_runtimes(const std::string& asked);

}  // namespace app
