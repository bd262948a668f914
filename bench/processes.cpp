#include "bench/processes.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/base/random.hpp"

namespace bench {
namespace {

constexpr int exit_failed = 1;

// Reports of the parts; goes with everything in it.
class scratch_folder {
  public:
    scratch_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "weir-bench-XXXXXX").string();
        if (mkdtemp(name.data()) != nullptr) path_ = name;
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

pid_t start(std::vector<std::string> arguments) {
    std::vector<char*> pointers;
    for (auto& one : arguments) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int failed = posix_spawn(&child, "/proc/self/exe", &files, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    return failed == 0 ? child : -1;
}

int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::optional<report> read_part(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    const auto parsed = json::parse(text.str());
    std::string mistake;
    return parsed ? report_from_json(*parsed, mistake) : std::nullopt;
}

}  // namespace

std::optional<report> run_processes(const std::vector<std::string>& arguments, const load_options& options,
                                    int& exit_code) {
    const scratch_folder scratch;
    runtime::random_source random(runtime::machine_seed());
    const std::uint64_t seed = options.seed != 0 ? options.seed : random.below(1'000'000'000) + 1;
    char run_id[20];
    std::snprintf(run_id, sizeof run_id, "%012llx", static_cast<unsigned long long>(random.next() & 0xffffffffffffULL));
    std::vector<pid_t> children;
    const auto file_of = [&](std::uint64_t i) { return scratch.path() + "/" + std::to_string(i) + ".json"; };
    for (std::uint64_t i = 0; i < options.processes; ++i) {
        // What stands last counts.
        std::vector<std::string> own = {"weir", "bench"};
        own.insert(own.end(), arguments.begin(), arguments.end());
        for (const auto& more :
             {std::string("--processes=1"), "--seed=" + std::to_string(seed), "--run-id=" + std::string(run_id),
              "--json=" + file_of(i), std::string("--html=/dev/null"), std::string("--output=text"),
              "--server=" + options.server, "--part=" + std::to_string(i) + "/" + std::to_string(options.processes)})
            own.push_back(more);
        if (i > 0) own.emplace_back("--quiet");
        children.push_back(start(std::move(own)));
    }
    // A terminal interrupts the children too; they end their load, and this one merges what they have.
    std::signal(SIGINT, SIG_IGN);
    std::vector<report> parts;
    for (std::uint64_t i = 0; i < children.size(); ++i) {
        const int code = children[i] < 0 ? exit_failed : wait_for(children[i]);
        auto part = read_part(file_of(i));
        if (part) {
            parts.push_back(std::move(*part));
        } else {
            exit_code = code == 0 ? exit_failed : code;
        }
    }
    if (parts.size() != options.processes) {
        std::fprintf(stderr, "weir bench: %zu of %zu processes gave no report\n", children.size() - parts.size(),
                     children.size());
        return std::nullopt;
    }
    report out = merge_reports(parts);
    out.notes.push_back("merged from " + std::to_string(parts.size()) + " processes");
    return out;
}

}  // namespace bench
