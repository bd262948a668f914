#include "stages/worker/runtimes/installed.hpp"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <regex>

namespace stages::worker::runtimes {
namespace {

constexpr std::size_t answer_bytes_max = 4096;
constexpr std::size_t candidates_max = 32;  // executables of one language
constexpr int answer_wait_ms = 5000;

std::string real_path(const std::string& path) {
    char real[PATH_MAX];
    return realpath(path.c_str(), real) == nullptr ? std::string() : std::string(real);
}

// Where the box can see it: below /usr after all links are followed, or in one of the folders that may stand beside it.
bool visible_in_box(const std::string& path) {
    if (access(path.c_str(), X_OK) != 0) return false;
    const std::string real = real_path(path);
    return std::ranges::any_of(std::array{"/usr/", "/bin/", "/lib/", "/lib64/"},
                               [&real](const char* place) { return real.starts_with(place); });
}

std::vector<std::string> candidates_of(const manifest& what) {
    std::vector<std::string> out;
    for (const auto& pattern : what.executables) {
        glob_t found{};
        if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
            for (std::size_t i = 0; i < found.gl_pathc && out.size() < candidates_max; ++i)
                if (visible_in_box(found.gl_pathv[i])) out.emplace_back(found.gl_pathv[i]);
        globfree(&found);
    }
    return out;
}

// A version command that runs: both its streams come through one pipe.
struct question {
    std::size_t runtime = 0;
    std::string executable;
    pid_t child = 0;
    int answer = -1;
};

bool ask(const manifest& what, question& out) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    command_values values;
    values.executable = out.executable;
    values.file = what.file_name;
    const auto command = expand(what.version_command, values);
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::array<char*, 3> environment{const_cast<char*>("LANG=C.UTF-8"), const_cast<char*>("PATH=/usr/bin:/bin"),
                                     nullptr};
    const int failed =
        posix_spawn(&out.child, command.front().c_str(), &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed != 0) {
        close(ends[0]);
        return false;
    }
    out.answer = ends[0];
    return true;
}

std::string answer_to(const question& asked) {
    std::string answer;
    pollfd entry{asked.answer, POLLIN, 0};
    while (answer.size() < answer_bytes_max && poll(&entry, 1, answer_wait_ms) > 0) {
        char buffer[1024];
        const ssize_t n = ::read(asked.answer, buffer, sizeof buffer);
        if (n <= 0) break;
        answer.append(buffer, static_cast<std::size_t>(n));
    }
    close(asked.answer);
    ::kill(asked.child, SIGKILL);  // it has said all that matters
    waitpid(asked.child, nullptr, 0);
    return answer;
}

void order_versions(installed_runtime& runtime) {
    for (const auto& [version, path] : runtime.executables) runtime.versions.push_back(version);
    auto& versions = runtime.versions;
    std::ranges::sort(versions, [](const auto& a, const auto& b) { return older(b, a); });
    const std::string preferred = runtime.what.preferred.empty() ? std::string() : real_path(runtime.what.preferred);
    if (preferred.empty()) return;
    const auto first = std::ranges::find_if(
        versions, [&](const auto& version) { return real_path(runtime.executables[version]) == preferred; });
    if (first != versions.end()) std::rotate(versions.begin(), first, first + 1);
}

std::vector<long> numbers_of(const std::string& version) {
    std::vector<long> out;
    for (const char* at = version.c_str(); *at != '\0';) {
        char* end = nullptr;
        const long number = strtol(at, &end, 10);
        if (end == at) {
            ++at;
            continue;
        }
        out.push_back(number);
        at = *end == '\0' ? end : end + 1;
    }
    return out;
}

// ^ and $ are those of a line: what is asked may say other things first.
std::regex expression(const std::string& pattern) {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::multiline);
}

}  // namespace

bool older(const std::string& a, const std::string& b) { return numbers_of(a) < numbers_of(b); }

std::string version_in(const std::string& answer, const std::string& pattern) {
    std::smatch found;
    try {
        if (!std::regex_search(answer, found, expression(pattern)) || found.size() != 2) return {};
    } catch (const std::regex_error&) {
        return {};  // too complex for what was printed
    }
    const std::string version = found[1].str();
    const bool plain = std::ranges::all_of(version, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
               c == '_' || c == '+';
    });
    return plain && !version.empty() && version.size() <= 32 ? version : std::string();
}

std::vector<installed_runtime> detect_runtimes(const std::vector<manifest>& manifests) {
    std::vector<installed_runtime> all;
    std::vector<question> questions;
    for (const auto& what : manifests) {
        for (auto& path : candidates_of(what)) {
            question asked;
            asked.runtime = all.size();
            asked.executable = std::move(path);
            if (ask(what, asked)) questions.push_back(std::move(asked));
        }
        all.push_back({what, {}, {}});
    }
    for (const auto& asked : questions) {
        auto& runtime = all[asked.runtime];
        const std::string version = version_in(answer_to(asked), runtime.what.version_pattern);
        // Of two with the same version the first pattern's counts.
        if (!version.empty()) runtime.executables.emplace(version, asked.executable);
    }
    std::erase_if(all, [](const auto& runtime) { return runtime.executables.empty(); });
    for (auto& runtime : all) order_versions(runtime);
    return all;
}

const installed_runtime* find_runtime(const std::vector<installed_runtime>& runtimes, std::string_view language) {
    const auto found = std::ranges::find_if(runtimes, [&](const auto& one) { return one.what.language == language; });
    return found == runtimes.end() ? nullptr : &*found;
}

std::string find_executable(const std::vector<installed_runtime>& runtimes, std::string_view language,
                            std::string_view version) {
    const auto* const runtime = find_runtime(runtimes, language);
    if (runtime == nullptr) return {};
    const auto found = runtime->executables.find(version.empty() ? runtime->versions.front() : version);
    return found == runtime->executables.end() ? std::string() : found->second;
}

}  // namespace stages::worker::runtimes
