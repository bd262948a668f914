#include "tests/support/sandbox_host.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "runtime/spawn.hpp"
#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/devices/box_network.hpp"
#include "stages/worker/sandbox/filter/seccomp_filter.hpp"

namespace tests {

namespace sandbox = stages::worker::sandbox;
using runtime::milliseconds;
using runtime::task;

namespace {

std::int64_t now_ms() { return runtime::system_clock().steady().nanoseconds_since_start / 1'000'000; }

class collector final : public stages::worker::observer {
  public:
    collector(outcome& out, const run_options& options, std::shared_ptr<pipeline::live_input> input)
        : out_(out), options_(options), input_(std::move(input)), begin_ms_(now_ms()) {}

    task<void> started() override {
        EXPECT_FALSE(out_.started);
        out_.started = true;
        if (options_.on_started) options_.on_started();
        if (options_.typed.empty() && options_.end_input) input_->end();
        co_return;
    }
    task<void> output(stages::worker::output_stream stream, std::string bytes) override {
        EXPECT_TRUE(out_.started);
        EXPECT_FALSE(bytes.empty());
        EXPECT_LE(bytes.size(), 64U << 10);
        if (out_.first_output_ms < 0) out_.first_output_ms = now_ms() - begin_ms_;
        const bool first = stream == stages::worker::output_stream::standard_output;
        (first ? out_.standard_output : out_.standard_error) += bytes;
        if (input_ && typed_ < options_.typed.size()) input_->offer(options_.typed[typed_++]);
        if (input_ && typed_ == options_.typed.size() && options_.end_input) input_->end();
        if (options_.observer_delay_ms > 0) co_await runtime::sleep_for(milliseconds(options_.observer_delay_ms));
    }

  private:
    outcome& out_;
    const run_options& options_;
    std::shared_ptr<pipeline::live_input> input_;
    std::size_t typed_ = 0;
    std::int64_t begin_ms_;
};

task<void> run_one(sandbox::sandbox_worker& worker, stages::worker::launch_request request, const run_options& options,
                   outcome& out) {
    if (options.interactive)
        request.live_input = std::make_shared<pipeline::live_input>(runtime::shard::here(), *options.interactive);
    collector watch(out, options, request.live_input);
    std::stop_source stop;
    const std::int64_t begin_ms = now_ms();
    auto cancelled_ms = std::make_shared<std::int64_t>(-1);
    if (options.cancel_after_ms >= 0) {
        runtime::shard& home = runtime::shard::here();
        home.timers().add(home.time().steady() + milliseconds(options.cancel_after_ms), [stop, cancelled_ms]() mutable {
            *cancelled_ms = now_ms();
            stop.request_stop();
        });
    }
    out.verdict = co_await worker.run(std::move(request), watch, stop.get_token());
    out.whole_ms = now_ms() - begin_ms;
    if (*cancelled_ms >= 0) out.after_cancel_ms = now_ms() - *cancelled_ms;
}

task<void> run_many(sandbox::sandbox_worker& worker, std::vector<stages::worker::launch_request>& requests,
                    const run_options& options, std::vector<outcome>& out) {
    runtime::gate all(runtime::shard::here());
    for (std::size_t i = 0; i < requests.size(); ++i)
        runtime::spawn(all, runtime::shard::here(), run_one(worker, std::move(requests[i]), options, out[i]));
    co_await all.close();
}

task<void> start_worker(sandbox::sandbox_worker& worker, bool& good) {
    const auto started = co_await worker.start();
    good = started.has_value();
}

task<void> copy_pools(sandbox::sandbox_worker& worker, std::vector<sandbox::pool_packet>& out) {
    out = worker.pools();
    co_return;
}

}  // namespace

std::vector<std::string> folders_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
        if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) names.push_back(entry.path().string());
    return names;
}

std::vector<std::string> group_folders(const std::string& prefix) {
    std::vector<std::string> found;
    std::vector<std::string> ahead{"/sys/fs/cgroup"};
    while (!ahead.empty()) {
        const std::string folder = std::move(ahead.back());
        ahead.pop_back();
        for (auto& child : folders_in(folder)) {
            if (child.compare(folder.size() + 1, prefix.size(), prefix) == 0) found.push_back(child);
            ahead.push_back(std::move(child));
        }
    }
    return found;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

namespace {

// A language whose compiler is a shell that runs the source: a test's source says what its compiler does.
stages::worker::runtimes::installed_runtime scripted_compiler() {
    stages::worker::runtimes::installed_runtime out;
    out.what.language = "compiled";
    out.what.file_name = "source.sh";
    out.what.run = {"/bin/sh", "{artifact}"};
    out.what.variables = {{"FROM", "the manifest"}};
    auto& step = out.what.compile.emplace();
    step.command = {"{executable}", "{file}"};
    step.artifact = "out";
    step.sources = {"*.h"};
    step.limits = {60'000, 1000, 64ULL << 20, 8, 8ULL << 20, 4096, 1ULL << 20};
    out.what.example = "echo 'echo \"Hello, ${1:-world}!\"' > out\n";
    out.versions = {"1"};
    out.executables = {{"1", "/bin/sh"}};
    return out;
}

// Its example finds no end where it is rehearsed: there is nothing to write to.
stages::worker::runtimes::installed_runtime endless_rehearsal() {
    stages::worker::runtimes::installed_runtime out;
    out.what.language = "rehearsed-for-ever";
    out.what.file_name = "endless.sh";
    out.what.run = {"{executable}", "{file}"};
    out.what.warm.emplace();
    out.what.example =
        "{ : > here; } 2> /dev/null || { setsid sleep 4321 & sleep 4321; }\n"
        "echo \"Hello, ${1:-world}!\"\n";
    out.versions = {"1"};
    out.executables = {{"1", "/bin/bash"}};
    return out;
}

}  // namespace

sandbox_host& sandbox_host::get() {
    static sandbox_host* only = nullptr;
    if (only == nullptr) {
        only = new sandbox_host;
        testing::AddGlobalTestEnvironment(only);  // owns it
    }
    return *only;
}

void sandbox_host::SetUp() {
    mounts_before_ = read_file("/proc/self/mountinfo");
    group_name_ = "weir-test-" + std::to_string(getpid());
    first_uid_ = 300'000 + static_cast<std::uint32_t>(getpid() % 1000) * 200;
    const auto known = stages::worker::runtimes::read_manifests(WEIR_RUNTIMES_DIR);
    for (const auto& error : known.errors) ADD_FAILURE() << error;
    installed_ = stages::worker::runtimes::detect_runtimes(known.manifests);
    installed_.push_back(scripted_compiler());
    installed_.push_back(scripted_compiler());
    installed_.back().what.language = "compiled-briefly";
    installed_.back().what.compile->limits.wall_ms = 500;
    installed_.push_back(endless_rehearsal());
    sandbox::launcher_options options;
    for (const auto& one : known.manifests) options.etc.insert(options.etc.end(), one.etc.begin(), one.etc.end());
    std::vector<stages::worker::runtimes::manifest> manifests;
    for (const auto& one : installed_) manifests.push_back(one.what);
    options.warm_files = sandbox::warm_files_of(manifests);
    options.pool_max = 4;
    options.group_name = group_name_;
    options.first_uid = first_uid_;
    options.boxes_max = 64;
    // What a machine offers is found by itself; a lower rung can be asked for.
    if (const char* rung = std::getenv("WEIR_TEST_RUNG")) {
        if (std::string(rung) == "cgroup1") options.highest_rung = sandbox::rung::cgroup1;
        if (std::string(rung) == "rlimit") options.highest_rung = sandbox::rung::rlimit;
    }
    // On a machine with other work programs may stand still; `usual` is for those who try something there.
    const char* cpu = std::getenv("WEIR_TEST_CPU");
    options.leftover_cpu = cpu == nullptr || std::string(cpu) != "usual";
    auto made = sandbox::nursery::start(options, 1);
    ASSERT_TRUE(made) << made.error().message();
    nursery_.emplace(std::move(*made));
    std::printf("%s\n", report().describe().c_str());
    ASSERT_EQ(report().problem, "");
    shards_ = std::make_unique<runtime::shard_group>(1);
    shards_->start();
    sandbox::worker_options worker_options;
    worker_options.runtimes = installed_;
    artifacts_ = std::make_shared<sandbox::artifact_directory>(1, 8U << 20);
    worker_options.artifacts = artifacts_;
    worker_ =
        std::make_unique<sandbox::sandbox_worker>((*shards_)[0], nursery_->take_channel(0), std::move(worker_options));
    bool good = false;
    shards_->run_and_wait(0, [&] { return start_worker(*worker_, good); });
    ASSERT_TRUE(good) << worker_->problem();
}

void sandbox_host::TearDown() {
    if (starts_warm()) {
        std::printf("%u programs began warm, %u cold though something was ready\n", warm_, cold_);
        // A large standard input and the like are cold always.
        EXPECT_LE(cold_ * 4, warm_);
    }
    if (worker_) shards_->run_and_wait(0, [&] { return worker_->stop(); });
    if (shards_) shards_->stop();
    worker_.reset();
    shards_.reset();
}

stages::worker::launch_request sandbox_host::request(const std::string& lang, const std::string& script) {
    stages::worker::launch_request out;
    out.lang = lang;
    out.script = script;
    out.cold = !starts_warm();
    out.unfollowed = starts_warm();
    out.limits.wall_ms = 60'000;
    out.limits.cpu_ms = 30'000;
    out.limits.memory_bytes = 256ULL << 20;
    out.limits.processes = 64;
    out.limits.output_bytes = 1ULL << 20;
    out.limits.disk_bytes = 16ULL << 20;
    return out;
}

bool sandbox_host::starts_warm() {
    const char* start = std::getenv("WEIR_TEST_START");
    return start != nullptr && std::string(start) == "warm";
}

std::vector<sandbox::pool_packet> sandbox_host::pools() {
    std::vector<sandbox::pool_packet> out;
    shards_->run_and_wait(0, [&] { return copy_pools(*worker_, out); });
    return out;
}

std::vector<sandbox::pool_packet> sandbox_host::pools_by_now() {
    const auto asked_for = [](const sandbox::pool_packet& pool) { return pool.taken + pool.missed; };
    auto now = pools();
    // The first change may be that of a run before.
    for (int change = 0; change < 2; ++change) {
        const auto before = asked_for(now.front());
        auto empty = request("bash", "");
        empty.cold = true;
        run(std::move(empty));
        for (int attempt = 0; attempt < 1000 && asked_for(now.front()) == before; ++attempt) {
            usleep(10'000);
            now = pools();
        }
        if (asked_for(now.front()) == before) ADD_FAILURE() << "the broker tells nothing of its pools";
    }
    return now;
}

bool sandbox_host::wait_for_warm(const std::string& lang) {
    const auto* runtime = find_runtime(installed_, lang);
    if (runtime == nullptr || !runtime->what.warm) return false;
    const run_options options;
    for (int attempt = 0; attempt < 800; ++attempt) {
        // The first of a language boots what the next ones need.
        if (attempt % 80 == 0) {
            outcome first;
            auto empty = request(lang, "");
            empty.cold = false;
            shards_->run_and_wait(0, [&] { return run_one(*worker_, std::move(empty), options, first); });
        }
        const auto now = pools();
        for (std::size_t i = 1; i < now.size(); ++i)
            if (now[i].ready > 0 && worker_->warm_runtimes()[i - 1].name.starts_with(lang)) return true;
        usleep(25'000);
    }
    ADD_FAILURE() << "nothing was booted ahead for " << lang;
    return false;
}

outcome sandbox_host::run(stages::worker::launch_request request, run_options options) {
    const bool expected = starts_warm() && !request.cold && wait_for_warm(request.lang);
    outcome out;
    shards_->run_and_wait(0, [&] { return run_one(*worker_, std::move(request), options, out); });
    const auto& seen = out.verdict.isolation;
    if (expected && seen) ++(seen->start == stages::worker::box_start::cold ? cold_ : warm_);
    return out;
}

std::vector<outcome> sandbox_host::run_all(std::vector<stages::worker::launch_request> requests) {
    std::vector<outcome> out(requests.size());
    const run_options options;
    if (!requests.empty() && starts_warm() && !requests.front().cold) wait_for_warm(requests.front().lang);
    shards_->run_and_wait(0, [&] { return run_many(*worker_, requests, options, out); });
    return out;
}

bool sandbox_host::has(const std::string& lang) const { return find_runtime(installed_, lang) != nullptr; }

std::set<pid_t> descendants_of(pid_t process) {
    std::multimap<pid_t, pid_t> children;
    for (const auto& folder : folders_in("/proc")) {
        const std::string stat = read_file(folder + "/stat");
        const std::size_t at = stat.rfind(')');
        if (at != std::string::npos) children.emplace(std::atoi(stat.c_str() + at + 4), std::atoi(stat.c_str()));
    }
    std::set<pid_t> found;
    std::vector<pid_t> ahead{process};
    while (!ahead.empty()) {
        const auto [from, to] = children.equal_range(ahead.back());
        ahead.pop_back();
        for (auto child = from; child != to; ++child)
            if (found.insert(child->second).second) ahead.push_back(child->second);
    }
    return found;
}

std::vector<pid_t> sandbox_host::children_of_broker() const {
    const std::string broker = std::to_string(broker_process());
    std::istringstream list(read_file("/proc/" + broker + "/task/" + broker + "/children"));
    return {std::istream_iterator<pid_t>(list), {}};
}

std::vector<pid_t> sandbox_host::zygotes(std::string_view of) const {
    std::vector<pid_t> found;
    for (const pid_t child : children_of_broker()) {
        // One that has gone meanwhile has no name.
        if (const auto name = read_file("/proc/" + std::to_string(child) + "/comm");
            !name.empty() && name.starts_with(of) && !name.starts_with("weir-"))
            found.push_back(child);
    }
    return found;
}

std::set<pid_t> sandbox_host::waiting_for_runs() const {
    std::set<pid_t> found;
    for (const pid_t child : children_of_broker()) {
        if (read_file("/proc/" + std::to_string(child) + "/comm") != std::string(sandbox::waiting_box_name) + "\n")
            continue;
        found.merge(descendants_of(child));
        found.insert(child);
    }
    return found;
}

bool sandbox_host::reuses_networks() {
    static const bool can = [] {
        const auto filter = sandbox::make_seccomp_filter(true);
        return geteuid() == 0 && sandbox::box_networks::can_count_sockets() && filter &&
               sandbox::listener_flags(*filter) != 0;
    }();
    return can;
}

std::vector<std::string> sandbox_host::groups() const { return group_folders(group_name_ + "."); }

std::string sandbox_host::leftovers() {
    std::string found;
    // The tree is gone when the verdict is there; only the removal of its group comes a moment later.
    for (int attempt = 0; attempt < 100; ++attempt) {
        found.clear();
        // What is kept ready for the next runs may be there, and one zygote of each kind.
        const auto waiting = waiting_for_runs();
        const auto mothers = zygotes();
        for (const pid_t child : children_of_broker())
            if (!waiting.contains(child) && std::ranges::find(mothers, child) == mothers.end())
                found += "a process below the broker: " + std::to_string(child) + "; ";
        if (mothers.size() > worker_->pools().size()) found += "too many zygotes; ";
        if (geteuid() == 0) {
            for (const auto& process : folders_in("/proc")) {
                const std::string status = read_file(process + "/status");
                const std::size_t at = status.find("\nUid:\t");
                if (at == std::string::npos || waiting.contains(std::atoi(process.c_str() + 6))) continue;
                const std::uint64_t uid = std::strtoull(status.c_str() + at + 6, nullptr, 10);
                if (uid >= first_uid_ && uid < first_uid_ + 128)
                    found += "a process of a run's user: " + process + "; ";
            }
        }
        std::map<std::string, int> empty_groups;  // by name; a box has one in each hierarchy
        for (const auto& group : groups()) {
            if (group.ends_with(".server") || group.ends_with(".all")) continue;  // not a box's
            std::istringstream list(read_file(group + "/cgroup.procs"));
            const std::vector<pid_t> members{std::istream_iterator<pid_t>(list), {}};
            if (members.empty()) ++empty_groups[group.substr(group.rfind('/'))];
            for (const pid_t member : members)
                if (!waiting.contains(member)) found += "a process in " + group + "; ";
        }
        if (empty_groups.size() > pools().front().kept_groups)
            found += "empty groups: " + std::to_string(empty_groups.size()) + "; ";
        if (read_file("/proc/self/mountinfo") != mounts_before_) found += "mounts have changed; ";
        if (found.empty()) break;
        usleep(5000);
    }
    return found;
}

}  // namespace tests
