#include "stages/worker/runtimes/manifest.hpp"

#include <array>

namespace stages::worker::runtimes {

std::string manifest::file_extension() const {
    const auto dot = file_name.rfind('.');
    return dot == std::string::npos ? std::string() : file_name.substr(dot + 1);
}

std::vector<std::string> expand(const std::vector<std::string>& command, const command_values& values) {
    const auto slash = values.executable.rfind('/');
    const std::array known{std::pair{"{executable}", values.executable},
                           std::pair{"{folder}", values.executable.substr(0, slash == std::string::npos ? 0 : slash)},
                           std::pair{"{file}", values.file},
                           std::pair{"{artifact}", values.artifact},
                           std::pair{"{version}", values.version},
                           std::pair{"{memory_bytes}", std::to_string(values.memory_bytes)}};
    std::vector<std::string> out;
    for (const auto& word : command) {
        std::string& made = out.emplace_back();
        for (std::size_t at = 0; at < word.size();) {
            const std::string_view rest = std::string_view(word).substr(at);
            std::size_t taken = 0;
            for (const auto& [name, value] : known) {
                if (!rest.starts_with(name)) continue;
                made += value;
                taken = std::string_view(name).size();
                break;
            }
            if (taken == 0) made += word[at];
            at += std::max<std::size_t>(taken, 1);
        }
    }
    return out;
}

}  // namespace stages::worker::runtimes
