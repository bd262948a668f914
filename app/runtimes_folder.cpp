#include "app/runtimes_folder.hpp"

#include <filesystem>

namespace app {
namespace {

std::string find_folder(std::vector<std::string>& errors) {
    std::error_code failed;
    const auto binary = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
    std::string looked_at;
    for (const auto& place : {std::filesystem::path("/etc/weir/runtimes"), binary / "runtimes",
                              binary.parent_path() / "share/weir/runtimes"}) {
        if (std::filesystem::is_directory(place, failed)) return place.string();
        looked_at += (looked_at.empty() ? "" : ", ") + place.string();
    }
    errors.push_back("there is no folder of runtime manifests (looked at " + looked_at + "); --runtimes DIR names one");
    return {};
}

}  // namespace

std::vector<std::string> known_runtimes::etc() const {
    std::vector<std::string> out;
    for (const auto& one : manifests) out.insert(out.end(), one.etc.begin(), one.etc.end());
    return out;
}

known_runtimes read_runtimes(const std::string& asked) {
    known_runtimes out;
    out.folder = asked.empty() ? find_folder(out.errors) : asked;
    if (out.folder.empty()) return out;
    auto read = stages::worker::runtimes::read_manifests(out.folder);
    out.manifests = std::move(read.manifests);
    out.errors = std::move(read.errors);
    if (out.manifests.empty() && out.errors.empty())
        out.errors.push_back(out.folder + ": has no manifest (*.yaml), so that nothing could be run");
    return out;
}

}  // namespace app
