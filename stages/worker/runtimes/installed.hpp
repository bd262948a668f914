// Which of the manifests' languages this machine has, in which versions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stages/worker/runtimes/manifest.hpp"

namespace stages::worker::runtimes {

struct installed_runtime {
    manifest what;
    std::vector<std::string> versions;                            // the first is the default; never empty
    std::map<std::string, std::string, std::less<>> executables;  // version -> absolute path, as the box sees it too
};

// Looks for each manifest's executables, where boxes can see them: below /usr and the folders that may stand beside it,
// never in a home folder. Asks each for its version and blocks meanwhile (a tenth of a second; several at once). A
// language without any is left out. Thread: any, at start.
std::vector<installed_runtime> detect_runtimes(const std::vector<manifest>& manifests);

// The runtime of a language; null if there is none.
const installed_runtime* find_runtime(const std::vector<installed_runtime>& runtimes, std::string_view language);

// The executable for a pair of the contract; empty if there is none. An empty version is the default one.
std::string find_executable(const std::vector<installed_runtime>& runtimes, std::string_view language,
                            std::string_view version);

// The pattern's group in what the version command printed; empty if it is not there or no version.
std::string version_in(const std::string& answer, const std::string& pattern);

// "3.9" before "3.11" before "4".
bool older(const std::string& a, const std::string& b);

}  // namespace stages::worker::runtimes
