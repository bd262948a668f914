#include "stages/worker/sandbox/runtimes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "stages/worker/sandbox/descriptor.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::size_t answer_bytes_max = 4096;
constexpr int answer_wait_ms = 5000;

// Where the box can see it: below /usr after all links are followed, or in one of the folders that may stand beside it.
std::string visible_in_box(const std::string& path) {
    char real[PATH_MAX];
    if (access(path.c_str(), X_OK) != 0 || realpath(path.c_str(), real) == nullptr) return {};
    const std::string_view resolved = real;
    for (const std::string_view place : {"/usr/", "/bin/", "/lib/", "/lib64/"})
        if (resolved.substr(0, place.size()) == place) return path;
    return {};
}

// What `path --version` prints.
std::string ask_version(const std::string& path) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return {};
    const descriptor read_end(ends[0]);
    descriptor write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::array<char*, 3> arguments{const_cast<char*>(path.c_str()), const_cast<char*>("--version"), nullptr};
    std::array<char*, 2> environment{const_cast<char*>("LANG=C.UTF-8"), nullptr};
    pid_t child = 0;
    const int failed = posix_spawn(&child, path.c_str(), &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    write_end.reset();
    if (failed != 0) return {};
    std::string answer;
    pollfd entry{read_end.get(), POLLIN, 0};
    while (answer.size() < answer_bytes_max && poll(&entry, 1, answer_wait_ms) > 0) {
        char buffer[1024];
        const ssize_t n = ::read(read_end.get(), buffer, sizeof buffer);
        if (n <= 0) break;
        answer.append(buffer, static_cast<std::size_t>(n));
    }
    ::kill(child, SIGKILL);  // it has said all that matters
    waitpid(child, nullptr, 0);
    return answer;
}

std::vector<std::string> names_in(const char* folder) {
    std::vector<std::string> names;
    DIR* list = opendir(folder);
    if (list == nullptr) return names;
    while (const dirent* entry = readdir(list)) names.emplace_back(entry->d_name);
    closedir(list);
    return names;
}

// "3.9" before "3.11".
bool newer(const std::string& a, const std::string& b) {
    const auto numbers = [](const std::string& version) {
        std::vector<int> out;
        for (const char* at = version.c_str(); *at != '\0';) {
            char* end = nullptr;
            out.push_back(static_cast<int>(strtol(at, &end, 10)));
            at = *end == '.' ? end + 1 : end;
        }
        return out;
    };
    return numbers(a) > numbers(b);
}

void list_versions(installed_runtime& runtime, const std::string& default_version) {
    for (const auto& [version, path] : runtime.executables) runtime.info.versions.push_back(version);
    auto& versions = runtime.info.versions;
    std::sort(versions.begin(), versions.end(), newer);
    const auto first = std::find(versions.begin(), versions.end(), default_version);
    if (first != versions.end()) std::rotate(versions.begin(), first, first + 1);
}

installed_runtime find_python() {
    installed_runtime python;
    python.info.lang = "python";
    python.info.file_extension = "py";
    python.info.example_script =
        "import sys\n\nname = sys.argv[1] if len(sys.argv) > 1 else \"world\"\nprint(f\"Hello, {name}!\")\n";
    for (const char* folder : {"/usr/bin", "/usr/local/bin"}) {
        for (const auto& name : names_in(folder)) {
            const std::string version = version_after(name, "python3.", 1);
            if (version.empty() || name != "python3." + version) continue;
            const std::string path = visible_in_box(std::string(folder) + "/" + name);
            if (!path.empty()) python.executables.emplace("3." + version, path);
        }
    }
    // The one that `python3` means on this machine.
    char real[PATH_MAX];
    std::string preferred;
    if (realpath("/usr/bin/python3", real) != nullptr) {
        const std::string_view resolved = real;
        preferred = version_after(resolved.substr(resolved.rfind('/') + 1), "python", 2);
    }
    list_versions(python, preferred);
    return python;
}

installed_runtime find_node() {
    installed_runtime node;
    node.info.lang = "node";
    node.info.file_extension = "js";
    node.info.example_script = "const name = process.argv[2] ?? \"world\";\nconsole.log(`Hello, ${name}!`);\n";
    std::string preferred;
    for (const char* candidate : {"/usr/bin/node", "/usr/local/bin/node", "/usr/bin/nodejs"}) {
        const std::string path = visible_in_box(candidate);
        if (path.empty()) continue;
        const std::string version = version_after(ask_version(path), "v", 1);
        if (version.empty()) continue;
        if (preferred.empty()) preferred = version;
        node.executables.emplace(version, path);
    }
    list_versions(node, preferred);
    return node;
}

installed_runtime find_bash() {
    installed_runtime bash;
    bash.info.lang = "bash";
    bash.info.file_extension = "sh";
    bash.info.example_script = "name=${1:-world}\necho \"Hello, $name!\"\n";
    for (const char* candidate : {"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"}) {
        const std::string path = visible_in_box(candidate);
        if (path.empty()) continue;
        const std::string version = version_after(ask_version(path), "GNU bash, version ", 2);
        if (!version.empty()) bash.executables.emplace(version, path);
    }
    list_versions(bash, {});
    return bash;
}

}  // namespace

std::string version_after(std::string_view text, std::string_view prefix, int parts) {
    if (text.substr(0, prefix.size()) != prefix) return {};
    text.remove_prefix(prefix.size());
    std::string version;
    for (int part = 0; part < parts; ++part) {
        std::size_t digits = 0;
        while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) ++digits;
        if (digits == 0 || digits > 4) return {};
        if (part > 0) version.push_back('.');
        version += text.substr(0, digits);
        text.remove_prefix(digits);
        if (part + 1 == parts) break;
        if (text.empty() || text.front() != '.') return {};
        text.remove_prefix(1);
    }
    return version;
}

std::vector<installed_runtime> detect_runtimes() {
    std::vector<installed_runtime> all;
    for (auto* find : {&find_python, &find_node, &find_bash}) {
        installed_runtime found = find();
        if (!found.executables.empty()) all.push_back(std::move(found));
    }
    return all;
}

std::string find_executable(const std::vector<installed_runtime>& runtimes, std::string_view lang,
                            std::string_view version) {
    for (const auto& runtime : runtimes) {
        if (runtime.info.lang != lang) continue;
        const auto found = runtime.executables.find(version.empty() ? runtime.info.versions.front() : version);
        return found == runtime.executables.end() ? std::string() : found->second;
    }
    return {};
}

}  // namespace stages::worker::sandbox
