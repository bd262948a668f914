#include "stages/worker/sandbox/box.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/box_files.hpp"

namespace stages::worker::sandbox {
namespace {

runtime::error_code last_error() { return {errno, boost::system::system_category()}; }

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t inodes_min = 1024;
constexpr std::uint64_t inodes_max = 65536;
constexpr std::uint64_t open_files_soft = 1024;
constexpr std::uint64_t open_files_hard = 4096;
constexpr std::uint64_t stack_soft = 8ULL << 20;
constexpr std::uint64_t stack_hard = 64ULL << 20;
constexpr std::uint64_t locked_memory = 64ULL << 10;
constexpr int reports_fd = 3;
constexpr int network_backlog = 128;

// Everything below runs in the new process. It has a copy of the broker's memory and one thread, so that it may
// allocate; it never returns.
class first_process {
  public:
    first_process(const box_context& context, const launch_packet& what, uid_t owner, const box_files& files,
                  const std::vector<descriptor>& join, int reports)
        : context_(context), what_(what), owner_(owner), files_(files), join_(join), reports_(reports) {}

    [[noreturn]] void run();

  private:
    [[noreturn]] void fail(const char* step, int error);
    void check(bool worked, const char* step) {
        if (!worked) fail(step, errno);
    }
    void report(box_record::kind what, int code, bool alone = false);
    void write_text(const char* path, const std::string& text, bool required);
    void map_user();
    void mount_disk();
    void mount_terminals();
    void mount_proc();
    void join_groups();
    void fill_work_directory();
    void keep_needed_descriptors();
    void limit(int which, std::uint64_t soft, std::uint64_t hard, const char* step);
    void set_limits();
    void drop_privileges();
    void load_filter();
    void prepare_command();
    void forward_signals();
    pid_t start_program();
    static int program(void* self);
    [[noreturn]] void reap_until_end(pid_t program);

    const box_context& context_;
    const launch_packet& what_;
    uid_t owner_;
    const box_files& files_;
    const std::vector<descriptor>& join_;
    int reports_;
    std::string user_ = "USER=" + user_name(owner_);
    std::string login_ = "LOGNAME=" + user_name(owner_);
    std::vector<char*> arguments_;
    std::vector<char*> environment_;
    const char* failed_step_ = nullptr;  // written by the program's process before its exec: they share the memory
    int failed_error_ = 0;
};

void first_process::report(box_record::kind what, int code, bool alone) {
    box_record record;
    record.alone = alone;
    record.what = what;
    record.code = code;
    record.at_ns = runtime::system_clock().steady().nanoseconds_since_start;
    if (failed_step_ != nullptr) std::strncpy(record.step.data(), failed_step_, record.step.size() - 1);
    if (::write(reports_, &record, sizeof record) != sizeof record) _exit(1);
}

void first_process::fail(const char* step, int error) {
    failed_step_ = step;
    report(box_record::kind::failed, error);
    _exit(1);
}

void first_process::write_text(const char* path, const std::string& text, bool required) {
    const descriptor file(open(path, O_WRONLY | O_CLOEXEC));
    const bool written = file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (required) check(written, path);
}

// The broker is user 0 of the nursery's user namespace, which is the server's user outside.
void first_process::map_user() {
    const std::string id = std::to_string(owner_);
    write_text("/proc/self/setgroups", "deny", true);
    write_text("/proc/self/uid_map", id + " 0 1", true);
    write_text("/proc/self/gid_map", id + " 0 1", true);
}

// One tmpfs is the whole disk: work directory, /tmp and /dev/shm share its limit. It is mounted on /tmp first, and what
// shows there in the end hides its root.
void first_process::mount_disk() {
    check(move_mount(files_.disk, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) == 0, "mount the disk");
    check(mount("/tmp/box", "/box", nullptr, MS_BIND, nullptr) == 0, "mount /box");
    check(mount("/tmp/shm", "/dev/shm", nullptr, MS_BIND, nullptr) == 0, "mount /dev/shm");
    check(mount("/tmp/tmp", "/tmp", nullptr, MS_BIND, nullptr) == 0, "mount /tmp");
}

void first_process::mount_terminals() {
    if (files_.terminals < 0) return;
    const int moved = move_mount(files_.terminals, "", AT_FDCWD, "/dev/pts", MOVE_MOUNT_F_EMPTY_PATH);
    check(moved == 0, "mount /dev/pts");
}

void first_process::mount_proc() {
    check(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0, "mount /proc");
    for (const auto& hidden : context_.masks) {
        const char* with = hidden.is_directory ? "/var/empty" : "/dev/null";
        check(mount(with, hidden.path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mask in /proc");
    }
}

void first_process::join_groups() {
    for (const auto& group : join_) check(::write(group.get(), "0", 1) == 1, "join the control group");
    // Only now, so that the box sees its own group as the root.
    if (!join_.empty() || !context_.limits_by_process) check(unshare(CLONE_NEWCGROUP) == 0, "cgroup namespace");
    write_text("/proc/self/oom_score_adj", "500", false);
    if (context_.idle_scheduling) {
        const sched_param none{};
        check(sched_setscheduler(0, SCHED_IDLE, &none) == 0, "SCHED_IDLE");
    }
}

// In the box's own control group already, so that the memory is the box's.
void first_process::fill_work_directory() {
    if (what_.files.empty()) return;
    const bool may_chown = !context_.own_user_namespace;
    const char* failed = put_files(what_.files, files_.sources, may_chown ? std::optional(owner_) : std::nullopt);
    check(failed == nullptr, failed);
}

// 0, 1, 2 are the program's, 3 is the report pipe, and nothing else stays open.
void first_process::keep_needed_descriptors() {
    check(dup2(files_.standard_input, 0) == 0, "standard input");
    check(dup2(files_.standard_output, 1) == 1, "standard output");
    check(dup2(files_.standard_error, 2) == 2, "standard error");
    if (reports_ != reports_fd) check(dup3(reports_, reports_fd, O_CLOEXEC) == reports_fd, "report pipe");
    reports_ = reports_fd;
    check(close_range(reports_fd + 1, ~0U, 0) == 0, "close descriptors");
}

void first_process::limit(int which, std::uint64_t soft, std::uint64_t hard, const char* step) {
    rlimit now{};
    check(getrlimit(static_cast<__rlimit_resource_t>(which), &now) == 0, step);
    const rlimit wanted{std::min<rlim_t>(soft, now.rlim_max), std::min<rlim_t>(hard, now.rlim_max)};
    check(setrlimit(static_cast<__rlimit_resource_t>(which), &wanted) == 0, step);
}

void first_process::set_limits() {
    const box_limits& l = what_.limits;
    limit(RLIMIT_CORE, 0, 0, "core limit");
    limit(RLIMIT_NOFILE, open_files_soft, open_files_hard, "open file limit");
    limit(RLIMIT_FSIZE, l.disk_bytes, l.disk_bytes, "file size limit");
    limit(RLIMIT_STACK, stack_soft, stack_hard, "stack limit");
    limit(RLIMIT_MEMLOCK, locked_memory, locked_memory, "locked memory limit");
    // Behind a pids controller only a second wall. Every run has a user id or a user namespace of its own, in which
    // this counts; pid 1 is one more.
    const std::uint64_t processes = context_.limits_by_process ? l.processes + 1 : l.processes + 64;
    limit(RLIMIT_NPROC, processes, processes, "process limit");
}

void first_process::drop_privileges() {
    // A root server's nursery has none left; a new user namespace begins with all.
    if (context_.own_user_namespace) drop_bounding_set();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Straight to the kernel: glibc's wrappers would look for other threads of the broker's copy.
    if (!context_.own_user_namespace) {
        check(syscall(SYS_setgroups, 0, nullptr) == 0, "setgroups");
        check(syscall(SYS_setresgid, owner_, owner_, owner_) == 0, "setresgid");
        check(syscall(SYS_setresuid, owner_, owner_, owner_) == 0, "setresuid");
    }
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    check(syscall(SYS_capset, &head, none) == 0, "capset");
    check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    // Changing the user cleared it, so it comes here; a broker that died before is seen by the pipe having no reader.
    check(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "parent death signal");
    pollfd reader{reports_, 0, 0};
    if (poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) _exit(1);
}

void first_process::load_filter() {
    const sock_fprog program{static_cast<unsigned short>(context_.filter.size()),
                             const_cast<sock_filter*>(context_.filter.data())};
    check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
}

void first_process::prepare_command() {
    const auto point_to = [](const std::vector<std::string>& texts, std::vector<char*>& pointers) {
        for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
        pointers.push_back(nullptr);
    };
    point_to(what_.arguments, arguments_);
    // Both end with a null; the names of the run's own user come last.
    point_to(what_.environment, environment_);
    environment_.insert(environment_.end() - 1, {user_.data(), login_.data()});
}

// In the program's process, before its exec. Shares memory with pid 1, which waits: no allocation, no return.
int first_process::program(void* self_pointer) {
    auto& self = *static_cast<first_process*>(self_pointer);
    const auto give_up = [&self](const char* step) {
        self.failed_step_ = step;
        self.failed_error_ = errno;
        _exit(127);
    };
    if (setsid() < 0) give_up("setsid");
    if (self.files_.terminals >= 0 && ioctl(0, TIOCSCTTY, 0) != 0) give_up("controlling terminal");
    if (self.context_.limits_by_process) {
        // Address space is no measure (node reserves gigabytes of it); what may be written to is.
        const rlimit memory{self.what_.limits.memory_bytes, self.what_.limits.memory_bytes};
        const rlim_t cpu_s = (self.what_.limits.cpu_ms + 999) / 1000;
        const rlimit cpu{cpu_s, cpu_s + 1};  // a signal, and then the end
        if (setrlimit(RLIMIT_DATA, &memory) != 0 || setrlimit(RLIMIT_CPU, &cpu) != 0) give_up("rlimits");
    }
    execve(self.what_.executable.c_str(), self.arguments_.data(), self.environment_.data());
    give_up("exec");
    return 0;
}

volatile sig_atomic_t program_group = 0;

// Who is not in this process' namespace has number 0 here: the broker, and nobody whom the program could be.
void forward(int, siginfo_t* about, void*) {
    const int error = errno;
    if (about->si_code == SI_QUEUE && about->si_pid == 0 && program_group > 0)
        ::kill(-program_group, about->si_value.sival_int);
    errno = error;
}

void first_process::forward_signals() {
    struct sigaction action{};
    action.sa_sigaction = &forward;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    check(sigaction(forwarding_signal, &action, nullptr) == 0, "signal handler");
}

pid_t first_process::start_program() {
    alignas(16) static std::array<char, 64U << 10> stack;
    // Like vfork: pid 1 goes on when the program has been executed or has failed to be.
    const pid_t child =
        clone(&first_process::program, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, this);
    check(child > 0, "start the program");
    program_group = child;
    if (failed_step_ != nullptr) fail(failed_step_, failed_error_);
    return child;
}

void first_process::reap_until_end(pid_t program) {
    close_range(0, 2, 0);
    for (;;) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended == program) {
            // Whatever the program has left is this process's child by now, or below one.
            int other = 0;
            while (waitpid(-1, &other, WNOHANG) > 0) {
            }
            const bool alone = waitpid(-1, &other, WNOHANG) < 0 && errno == ECHILD;
            report(box_record::kind::ended, status, alone);
            _exit(0);  // the kernel kills whatever else is in the pid namespace
        }
        if (ended < 0 && errno != EINTR) fail("wait", errno);
    }
}

void first_process::run() {
    prctl(PR_SET_NAME, "weir-box");
    if (context_.own_user_namespace) map_user();
    mount_disk();
    mount_terminals();
    mount_proc();
    prepare_command();
    join_groups();
    fill_work_directory();
    keep_needed_descriptors();
    set_limits();
    umask(022);
    check(chdir("/box") == 0, "work directory");
    drop_privileges();
    signal(SIGPIPE, SIG_DFL);  // all that the broker has changed
    forward_signals();
    load_filter();
    const pid_t child = start_program();
    report(box_record::kind::began, 0);
    reap_until_end(child);
}

}  // namespace

runtime::result<descriptor> make_disk(const launch_packet& what, uid_t owner) {
    // What was put in is not taken from what the program may write.
    std::uint64_t file_pages = what.file_bytes.size() / page + 1;
    for (const auto& file : what.files) file_pages += file.bytes / page + 1;
    const std::uint64_t bytes = what.limits.disk_bytes + file_pages * page;
    const std::uint64_t inodes =
        std::clamp(bytes / page, inodes_min, inodes_max) + what.files.size() * box_file_depth_max;
    const descriptor context(fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context) return last_error();
    const auto set = [&context](const char* name, std::uint64_t value) {
        return fsconfig(context.get(), FSCONFIG_SET_STRING, name, std::to_string(value).c_str(), 0) == 0;
    };
    if (!set("size", bytes) || !set("nr_inodes", inodes) ||
        fsconfig(context.get(), FSCONFIG_SET_STRING, "mode", "0755", 0) != 0 ||
        fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return last_error();
    descriptor disk(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    if (!disk) return last_error();
    const bool may_chown = geteuid() == 0 && owner != mapped_uid;
    const auto give = [&](const char* name) {
        return !may_chown || fchownat(disk.get(), name, owner, owner, AT_SYMLINK_NOFOLLOW) == 0;
    };
    if (mkdirat(disk.get(), "box", 0755) != 0 || !give("box") || mkdirat(disk.get(), "tmp", 01777) != 0 ||
        mkdirat(disk.get(), "shm", 01777) != 0)
        return last_error();
    if (what.file_name.empty()) return disk;
    // No program has run here yet, so that no name in it can be a trap.
    const std::string path = "box/" + what.file_name;
    const descriptor file(openat(disk.get(), path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file) return last_error();
    const ssize_t written = ::write(file.get(), what.file_bytes.data(), what.file_bytes.size());
    if (written != static_cast<ssize_t>(what.file_bytes.size()) || !give(path.c_str())) return last_error();
    return disk;
}

runtime::result<box_process> start_box(const box_context& context, const launch_packet& what, uid_t owner,
                                       const box_files& files, const box_group& group) {
    auto join = group.join_files();
    if (!join) return join.error();
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return last_error();
    box_process started;
    started.reports.reset(pipe_ends[0]);
    const descriptor write_end(pipe_ends[1]);
    fcntl(started.reports.get(), F_SETFL, O_NONBLOCK);

    int handle = -1;
    clone_args arguments{};
    arguments.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
    if (context.own_user_namespace) arguments.flags |= CLONE_NEWUSER;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&handle);
    arguments.exit_signal = SIGCHLD;
    if (group.clone_target() >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(group.clone_target());
    }
    const long id = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (id < 0) return last_error();
    if (id == 0) {
        // The read end would keep a pipe whose broker has died from telling so.
        started.reports.reset();
        first_process(context, what, owner, files, *join, write_end.get()).run();
    }
    started.id = static_cast<pid_t>(id);
    started.handle.reset(handle);
    return started;
}

void drop_bounding_set() {
    for (int capability = 0; capability < 64; ++capability)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;  // the kernel knows no further ones
}

runtime::error_code enter_fresh_network() {
    if (unshare(CLONE_NEWNET) != 0) return last_error();
    const descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!any || ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return last_error();
    return {};
}

runtime::result<descriptor> listen_in_network() {
    descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(network_port);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listener || bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        listen(listener.get(), network_backlog) != 0)
        return last_error();
    return listener;
}

}  // namespace stages::worker::sandbox
