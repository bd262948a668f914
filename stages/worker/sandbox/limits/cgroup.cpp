#include "stages/worker/sandbox/limits/cgroup.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/limits/cgroup_files.hpp"

namespace stages::worker::sandbox {
namespace {

std::string why() { return std::strerror(errno); }

std::string_view next_word(std::string_view& rest, char separator) {
    const std::size_t end = rest.find(separator);
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return word;
}

// Mountinfo writes blanks and such as three octal digits.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
            plain.push_back(
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
            i += 3;
        } else {
            plain.push_back(text[i]);
        }
    }
    return plain;
}

std::vector<std::string> names_in(int directory) {
    std::vector<std::string> names;
    DIR* list = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (list == nullptr) return names;
    while (const dirent* entry = readdir(list)) {
        const std::string name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.push_back(name);
    }
    closedir(list);
    return names;
}

void sleep_a_little() {
    const timespec two_ms{0, 2'000'000};
    nanosleep(&two_ms, nullptr);
}

// An idle group gives way at once; the smallest weights are next to it.
constexpr std::array weight_ways{cpu_weight{"cpu.idle", "1"}, cpu_weight{"cpu.weight", "1"},
                                 cpu_weight{"cpu.shares", "2"}};

void kill_all_in(int directory) {
    put_first(directory);
    if (write_at(directory, "cgroup.kill", "1")) return;
    const std::string processes = read_at(directory, "cgroup.procs");
    std::string_view rest = processes;
    while (!rest.empty()) {
        // 0 stands for a process of a pid namespace that we don't see; never send a signal to that.
        const auto process = to_number(next_word(rest, '\n'));
        if (process && *process > 1) ::kill(static_cast<pid_t>(*process), SIGKILL);
    }
}

// Kills what is in the group and below it, and removes it. What a killed process still holds goes within milliseconds;
// after two seconds it stays, and the next start tries again.
void destroy(int parent, const std::string& name) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        {
            const descriptor group(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            if (!group) return;
            // This one first: what dies below it has no more of the CPU than it has.
            kill_all_in(group.get());
            for (const auto& child : names_in(group.get())) destroy(group.get(), child);
        }
        if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
        sleep_a_little();
    }
}

descriptor make_directory(int parent, const std::string& name) {
    if (mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST) return {};
    return descriptor(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// cgroup2's, for the groups below this one. The CPU's is of use, and not needed.
bool enable_limits(int group) {
    static_cast<void>(write_at(group, "cgroup.subtree_control", "+cpu"));
    static_cast<void>(write_at(group, "cgroup.subtree_control", "+memory +pids"));
    const std::string list = read_at(group, "cgroup.subtree_control");
    return has_word(list, "memory") && has_word(list, "pids");
}

bool move_into(int group, pid_t process) { return write_at(group, "cgroup.procs", std::to_string(process)); }

// Where the process's own group lies below a mount that may show only a part of the hierarchy.
std::string own_directory(const mount_entry& mount, const std::string& path) {
    std::string below = path;
    if (mount.root != "/" && below.compare(0, mount.root.size(), mount.root) == 0) below.erase(0, mount.root.size());
    return below.empty() || below == "/" ? mount.point : mount.point + below;
}

constexpr std::array<std::string_view, controller_count> controller_names{"memory", "pids", "cpuacct", "cpu"};
constexpr unsigned bit(controller c) { return 1U << static_cast<unsigned>(c); }

}  // namespace

std::string_view to_string(rung value) {
    switch (value) {
        case rung::cgroup2: return "cgroup2";
        case rung::cgroup1: return "cgroup1";
        case rung::rlimit: break;
    }
    return "rlimit";
}

bool has_word(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const std::size_t end = list.find_first_of(", \n");
        if (list.substr(0, end) == word) return true;
        list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    }
    return false;
}

std::vector<mount_entry> parse_mountinfo(std::string_view text) {
    std::vector<mount_entry> mounts;
    while (!text.empty()) {
        std::string_view line = next_word(text, '\n');
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        std::string_view left = line.substr(0, dash);
        std::string_view right = line.substr(dash + 3);
        for (int i = 0; i < 3; ++i) next_word(left, ' ');
        mount_entry entry;
        entry.root = unescape(next_word(left, ' '));
        entry.point = unescape(next_word(left, ' '));
        entry.type = next_word(right, ' ');
        next_word(right, ' ');
        entry.options = right;
        if (!entry.point.empty() && !entry.type.empty()) mounts.push_back(std::move(entry));
    }
    return mounts;
}

std::vector<group_membership> parse_self_cgroup(std::string_view text) {
    std::vector<group_membership> groups;
    while (!text.empty()) {
        std::string_view line = next_word(text, '\n');
        if (std::count(line.begin(), line.end(), ':') < 2) continue;
        next_word(line, ':');
        group_membership entry;
        entry.controllers = next_word(line, ':');
        entry.path = line;
        groups.push_back(std::move(entry));
    }
    return groups;
}

std::optional<std::uint64_t> find_counter(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        std::string_view line = next_word(text, '\n');
        if (next_word(line, ' ') == key) return to_number(line);
    }
    return std::nullopt;
}

cgroup_tree cgroup_tree::make(const std::string& name, rung highest, bool lowest_weight, pid_t server) {
    cgroup_tree tree;
    tree.name_ = name;
    tree.lowest_weight_ = lowest_weight;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tree.life_ = std::to_string(getpid()) + "-" + std::to_string(now.tv_sec) + std::to_string(now.tv_nsec);
    const auto mounts = parse_mountinfo(read_at(AT_FDCWD, "/proc/self/mountinfo"));
    const auto own = parse_self_cgroup(read_at(AT_FDCWD, "/proc/self/cgroup"));
    if (highest == rung::cgroup2 && tree.try_cgroup2(mounts, own, server)) {
        tree.level_ = rung::cgroup2;
    } else if (highest != rung::rlimit && tree.try_cgroup1(mounts, own)) {
        tree.level_ = rung::cgroup1;
    } else {
        tree.hierarchies_.clear();
        if (highest == rung::rlimit) tree.missing_.push_back("cgroups: not asked for");
        tree.missing_.push_back("memory and processes of a tree are not limited, only those of each process");
    }
    if (tree.lacks_weight()) tree.missing_.push_back("no cpu controller: boxes run under SCHED_IDLE");
    return tree;
}

// What is wrong with it; empty if groups can be made there.
std::string cgroup_tree::open_base(hierarchy& h, const std::string& base) const {
    h.base.reset(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!h.base) return "cannot open " + base + ": " + why();
    const std::string name = prefix() + "probe";
    if (!make_directory(h.base.get(), name)) return "cannot make a group in " + base + ": " + why();
    unlinkat(h.base.get(), name.c_str(), AT_REMOVEDIR);
    return {};
}

void cgroup_tree::find_lowest_weight(const hierarchy& h) {
    const std::string name = prefix() + "probe";
    const descriptor probe = make_directory(h.base.get(), name);
    for (const auto& way : weight_ways)
        if (lowest_weight_ && weight_.file == nullptr && probe && write_at(probe.get(), way.file, way.lowest))
            weight_ = way;
    unlinkat(h.base.get(), name.c_str(), AT_REMOVEDIR);
}

// Where it cannot be made boxes do without.
void cgroup_tree::put_around_all(hierarchy& h) const {
    if (weight_.file == nullptr) return;
    const std::string name = prefix() + "all";
    descriptor all = make_directory(h.base.get(), name);
    const auto passes_limits_on = [](int group) {
        return !exists_at(group, "cgroup.subtree_control") || enable_limits(group);
    };
    if (all && write_at(all.get(), weight_.file, weight_.lowest) && passes_limits_on(all.get())) {
        h.above = std::move(h.base);
        h.base = std::move(all);
    } else if (all) {
        unlinkat(h.base.get(), name.c_str(), AT_REMOVEDIR);
    }
}

bool cgroup_tree::try_cgroup2(const std::vector<mount_entry>& mounts, const std::vector<group_membership>& own,
                              pid_t server) {
    const auto mount = std::find_if(mounts.begin(), mounts.end(), [](const auto& m) { return m.type == "cgroup2"; });
    if (mount == mounts.end()) {
        missing_.push_back("cgroup2: not mounted");
        return false;
    }
    std::string base = mount->point;
    for (const auto& group : own)
        if (group.controllers.empty()) base = own_directory(*mount, group.path);
    if (build_v2(base, base == mount->point, server)) return true;
    return base != mount->point && build_v2(mount->point, false, server);
}

// A group other than the root may have processes or limited children, not both: the server moves one level down first.
bool cgroup_tree::enable_v2(const hierarchy& h, bool whole_view, pid_t server, descriptor& home) const {
    const bool is_root = !exists_at(h.base.get(), "cgroup.type");
    if (is_root) return enable_limits(h.base.get());
    home = make_directory(h.base.get(), name_ + ".server");
    if (!home || !move_into(home.get(), server) || !move_into(home.get(), getpid())) return false;
    if (enable_limits(h.base.get())) return true;
    if (!whole_view) return false;
    // The top of a container's view: everything in it is ours to move.
    const std::string others = read_at(h.base.get(), "cgroup.procs");
    std::string_view rest = others;
    while (!rest.empty())
        if (const auto process = to_number(next_word(rest, '\n')))
            static_cast<void>(move_into(home.get(), static_cast<pid_t>(*process)));
    return enable_limits(h.base.get());
}

bool cgroup_tree::build_v2(const std::string& base, bool whole_view, pid_t server) {
    hierarchy h;
    const std::string offered = read_at(AT_FDCWD, (base + "/cgroup.controllers").c_str());
    std::string problem;
    if (!has_word(offered, "memory") || !has_word(offered, "pids"))
        problem = "no memory and pids controllers in " + base;
    if (problem.empty()) problem = open_base(h, base);
    descriptor home;
    if (problem.empty() && !enable_v2(h, whole_view, server, home)) {
        problem = "cannot enable memory and pids in " + base + " (not ours, or other processes live in that group)";
        if (home) static_cast<void>(move_into(h.base.get(), server) && move_into(h.base.get(), getpid()));
        if (home) unlinkat(h.base.get(), (name_ + ".server").c_str(), AT_REMOVEDIR);
    }
    if (!problem.empty()) {
        missing_.push_back("cgroup2: " + problem);
        return false;
    }
    h.controllers = bit(controller::memory) | bit(controller::pids) | bit(controller::cpuacct) | bit(controller::cpu);
    find_lowest_weight(h);
    put_around_all(h);
    hierarchies_.push_back(std::move(h));
    return true;
}

// What went wrong; empty if nothing did.
std::string cgroup_tree::build_v1(const std::string& base, unsigned controllers) {
    hierarchy h;
    h.controllers = controllers;
    std::string problem = open_base(h, base);
    if (!problem.empty()) return problem;
    if (h.has(controller::cpu)) {
        find_lowest_weight(h);
        put_around_all(h);
    }
    hierarchies_.push_back(std::move(h));
    return {};
}

bool cgroup_tree::try_cgroup1(const std::vector<mount_entry>& mounts, const std::vector<group_membership>& own) {
    unsigned have = 0;
    unsigned mounted = 0;
    for (const auto& mount : mounts) {
        if (mount.type != "cgroup") continue;
        unsigned controllers = 0;
        for (std::size_t i = 0; i < controller_count; ++i)
            if (has_word(mount.options, controller_names[i])) controllers |= 1U << i;
        if (controllers == 0 || (have & controllers) != 0) continue;
        mounted |= controllers;
        std::string base = mount.point;
        for (const auto& group : own)
            for (std::size_t i = 0; i < controller_count; ++i)
                if ((controllers >> i & 1U) != 0 && has_word(group.controllers, controller_names[i]))
                    base = own_directory(mount, group.path);
        std::string problem = build_v1(base, controllers);
        if (!problem.empty() && base != mount.point) problem = build_v1(mount.point, controllers);
        if (problem.empty()) {
            have |= controllers;
        } else {
            missing_.push_back("cgroup1: " + problem);
        }
    }
    for (std::size_t i = 0; i < controller_count; ++i)
        if ((mounted >> i & 1U) == 0)
            missing_.push_back("cgroup1: no " + std::string(controller_names[i]) + " controller");
    const unsigned needed = bit(controller::memory) | bit(controller::pids);
    return (have & needed) == needed;
}

runtime::result<box_group> cgroup_tree::make_group(const std::string& name) const {
    box_group group;
    group.name_ = prefix() + name;
    group.level_ = level_;
    group.weight_ = weight_;
    if (const auto failed = make_in_all(group)) {
        static_cast<void>(group.remove(*this));
        return failed;
    }
    return group;
}

runtime::error_code cgroup_tree::make_in_all(box_group& group) const {
    for (const auto& h : hierarchies_) {
        if (mkdirat(h.base.get(), group.name_.c_str(), 0755) != 0) return runtime::last_error();
        descriptor directory(openat(h.base.get(), group.name_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory) return runtime::last_error();
        for (std::size_t i = 0; i < controller_count; ++i)
            if (h.has(static_cast<controller>(i))) group.place_[i] = directory.get();
        group.directories_.push_back(std::move(directory));
    }
    const bool v2 = level_ == rung::cgroup2;
    if (weight_.file != nullptr && !write_at(group.of(controller::cpu), weight_.file, weight_.lowest))
        return runtime::last_error();
    // What ends a tree is watched by these: there is no box without them.
    for (const auto [in, which] : {std::pair{controller::cpuacct, box_group::counter::cpu_time},
                                   std::pair{controller::memory, box_group::counter::memory_kills}})
        if (group.of(in) >= 0 && group.file_of(which) < 0) return runtime::last_error();
    group.dies_as_one_ = v2 && write_at(group.of(controller::memory), "memory.oom.group", "1");
    return {};
}

void cgroup_tree::sweep() const {
    for (const auto& h : hierarchies_)
        for (const auto& name : names_in(h.outer()))
            if (name.starts_with(name_ + ".") && !name.starts_with(prefix()) && name != name_ + ".server")
                destroy(h.outer(), name);
}

void cgroup_tree::remove_groups(const std::string& box_prefix) const {
    for (const auto& h : hierarchies_)
        for (const auto& name : names_in(h.base.get()))
            if (name.starts_with(prefix() + box_prefix)) destroy(h.base.get(), name);
}

void cgroup_tree::remove(pid_t server) const {
    for (const auto& h : hierarchies_) {
        for (const auto& name : names_in(h.outer()))
            if (name.starts_with(prefix())) destroy(h.outer(), name);
        // Where a group with children may have no processes they cannot leave, and the next start uses the group again.
        const std::string home = name_ + ".server";
        if (!exists_at(h.outer(), home.c_str())) continue;
        static_cast<void>(move_into(h.outer(), server));
        static_cast<void>(move_into(h.outer(), getpid()));
        unlinkat(h.outer(), home.c_str(), AT_REMOVEDIR);
    }
}

}  // namespace stages::worker::sandbox
