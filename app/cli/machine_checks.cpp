#include "app/cli/machine_checks.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "app/runtimes_folder.hpp"
#include "stages/worker/sandbox/nursery.hpp"

namespace app::cli {
namespace {

constexpr std::uint64_t open_files_good = 65'536;
constexpr std::uint64_t memory_good_bytes = 1ULL << 30;

finding check_kernel() {
    utsname about{};
    uname(&about);
    int major = 0, minor = 0;
    std::sscanf(about.release, "%d.%d", &major, &minor);
    finding out{"kernel", health::good, std::string(about.sysname) + " " + about.release, ""};
    if (major < 5 || (major == 5 && minor < 10)) {
        out.verdict = health::problem;
        out.advice = "Weir is built for Linux 5.10 and later: boxes need clone3 and close_range";
    }
    return out;
}

finding check_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    const int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return {"cpus", health::good, std::to_string(usable) + " usable, one shard each", ""};
}

finding check_memory() {
    struct sysinfo about{};
    sysinfo(&about);
    const std::uint64_t total = static_cast<std::uint64_t>(about.totalram) * about.mem_unit;
    finding out{"memory", health::good, human_bytes(total), ""};
    if (total < memory_good_bytes) {
        out.verdict = health::warning;
        out.advice = "less than 1 GiB: programs have 256 MiB each by default, so few run at once";
    }
    return out;
}

// The kernel knows whether something (NTP, PTP) keeps its clock right. Times in events and expiries come from it.
finding check_clock() {
    timex about{};
    const int state = adjtimex(&about);
    if (state == -1) return {"clock", health::warning, "the kernel does not tell whether it is synchronised", ""};
    if (state == TIME_ERROR || (about.status & STA_UNSYNC) != 0)
        return {"clock", health::warning, "not known to be synchronised",
                "run chrony or systemd-timesyncd: timers, expiries and timestamps follow this clock"};
    return {"clock", health::good, "synchronised", ""};
}

}  // namespace

finding judge_open_files(std::uint64_t soft, std::uint64_t hard) {
    finding out{"open_files", health::good, std::to_string(soft) + " (may be raised to " + std::to_string(hard) + ")",
                ""};
    if (hard < open_files_good) {
        out.verdict = health::warning;
        out.advice = "each connection and each running program takes descriptors; raise the hard limit (LimitNOFILE=)";
    }
    return out;
}

std::vector<finding> check_host() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    return {check_kernel(), check_cpus(), check_memory(), judge_open_files(files.rlim_cur, files.rlim_max),
            check_clock()};
}

finding check_sandbox() {
    stages::worker::sandbox::launcher_options options;
    options.group_name = "weir-doctor-" + std::to_string(getpid());
    const auto forked = stages::worker::sandbox::nursery::start(options, 1);
    if (!forked) return {"sandbox", health::problem, "cannot be started: " + forked.error().message(), ""};
    const auto& report = forked->report();
    finding out{"sandbox", health::good, report.describe(), ""};
    if (!report.problem.empty()) {
        out.verdict = health::problem;
        out.advice = "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)";
    } else if (!report.limits_trees()) {
        out.verdict = health::problem;
        out.advice =
            "run as root, or delegate cgroups to this user (Delegate=yes); --sandbox-limits weak runs programs "
            "without limits of whole trees";
    }
    return out;
}

std::vector<finding> check_runtimes() {
    std::vector<finding> out;
    const auto known = read_runtimes({});
    for (const auto& error : known.errors)
        out.push_back({"runtimes", health::problem, error, "a server refuses to start with it"});
    for (const auto& installed : stages::worker::runtimes::detect_runtimes(known.manifests)) {
        std::string versions;
        for (const auto& version : installed.versions) versions += (versions.empty() ? "" : ", ") + version;
        out.push_back({"runtime." + installed.what.language, health::good, versions, ""});
    }
    if (out.empty()) out.push_back({"runtimes", health::problem, "none", "install python3, nodejs or bash"});
    return out;
}

}  // namespace app::cli
