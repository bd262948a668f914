// From a language's manifest to what a box is told to start.
#pragma once

#include <string>
#include <vector>

#include "stages/worker/runtimes/installed.hpp"
#include "stages/worker/sandbox/box/rootfs.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/worker.hpp"

namespace stages::worker::sandbox {

// A language in one of its versions. Lifetime: the runtimes' it was found in.
struct chosen_runtime {
    const runtimes::manifest* what = nullptr;
    std::string version;
    std::string executable;  // as the box sees it
    [[nodiscard]] bool found() const { return what != nullptr && !executable.empty(); }
};
chosen_runtime choose_runtime(const std::vector<runtimes::installed_runtime>& from, const std::string& language,
                              const std::string& version);

// The program itself; its files are not in it. Consumes the request's arguments.
launch_packet program_packet(const chosen_runtime& runtime, launch_request& request);

// An interpreter that boots ahead of its program; the runtime's manifest says how. `number`: from 1, the caller's.
warm_packet interpreter_packet(const chosen_runtime& runtime, std::uint32_t number);
// What all find that can be booted ahead, for the nursery: hooks, and the examples, which zygotes rehearse.
std::vector<warm_file> warm_files_of(const std::vector<runtimes::manifest>& manifests);

// Of a runtime with a compile step.
launch_packet compile_packet(const chosen_runtime& runtime);
program_limits limits_of_compiler(const chosen_runtime& runtime);

// Made from nothing: no variable of the server is in it. What comes later replaces what came before. The broker adds
// USER and LOGNAME.
std::vector<std::string> box_environment(const runtimes::environment& first = {},
                                         const runtimes::environment& second = {});

}  // namespace stages::worker::sandbox
