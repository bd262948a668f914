#include "stages/worker/sandbox/box/box.hpp"

#include <fcntl.h>
#include <linux/sched.h>
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

#include <boost/system/errc.hpp>
#include <cerrno>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"
#include "stages/worker/sandbox/devices/socket_listeners.hpp"
#include "stages/worker/sandbox/files/put_files.hpp"
#include "stages/worker/sandbox/inside/shut_in.hpp"
#include "stages/worker/sandbox/inside/wire.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr int socket_fd = 3;
constexpr int ahead_fd = 4;

// What a first process begins with: these, -1 where it has none, and the files of groups to join.
enum first_file : std::uint8_t { orders = 0, ahead, disk, terminals, groups };

// Everything below runs in the new process. It has a copy of the broker's memory and one thread, so that it may
// allocate; it never returns.
class first_process {
  public:
    first_process(const box_context& context, uid_t owner, std::span<const int> files, bool shares_table)
        : context_(context), owner_(owner), files_at_first_(files), socket_(files[orders]) {
        check(!shares_table || low_slots::own_table(), "a table of descriptors");
    }

    [[noreturn]] void run();

  private:
    [[noreturn]] void fail(const char* step, int error);
    void check(bool worked, const char* step) {
        if (!worked) fail(step, errno);
    }
    // Of functions that return null, or the step that failed.
    void check_step(const char* failed) { check(failed == nullptr, failed); }
    void report(box_record::kind what, int code, bool alone = false);
    void mount_disk_and_terminals();
    void mount_proc();
    void join_groups();
    void keep_needed_descriptors();
    void catch_signals();
    void await_launch();
    void take_order();
    void start_ahead(park_packet what, std::vector<descriptor> files);
    void take_arrival();
    void fill_work_directory();
    std::vector<inside::start_order::limit> limits_of_program() const;
    void take_streams(int input, int output, int error);
    void prepare_command(const std::string& executable, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment);
    pid_t start_program();
    static int program(void* self);
    void begin_cold();
    void begin_ahead();
    [[noreturn]] void reap_until_end(pid_t program);

    const box_context& context_;
    uid_t owner_;
    std::span<const int> files_at_first_;
    int socket_;
    launch_packet what_;
    std::vector<descriptor> files_;  // that came with it
    bool launched_ = false;
    bool on_terminal_ = false;  // its standard streams are
    bool hears_ahead_ = false;  // its filter's listener has come
    socket_listeners listeners_;
    pid_t ahead_ = 0;  // a program that has booted and waits
    std::string user_ = "USER=" + user_name(owner_);
    std::string login_ = "LOGNAME=" + user_name(owner_);
    const char* executable_ = nullptr;
    std::vector<char*> arguments_;
    std::vector<char*> environment_;
    std::vector<inside::start_order::limit> limits_;  // that the program sets before its exec
    const char* failed_step_ = nullptr;  // written by the program's process before its exec: they share the memory
    int failed_error_ = 0;
};

void first_process::report(box_record::kind what, int code, bool alone) {
    box_record record;
    record.alone = alone;
    record.network_as_new = context_.listener_flags != 0 && !listeners_.have_heard();
    record.what = what;
    record.code = code;
    record.at_ns = runtime::system_clock().steady().nanoseconds_since_start;
    if (failed_step_ != nullptr) std::strncpy(record.step.data(), failed_step_, record.step.size() - 1);
    if (::send(socket_, &record, sizeof record, MSG_NOSIGNAL) != sizeof record) _exit(1);
}

void first_process::fail(const char* step, int error) {
    failed_step_ = step;
    report(box_record::kind::failed, error);
    _exit(1);
}

// One tmpfs is the whole disk: work directory, /tmp and /dev/shm share its limit. It is mounted on /tmp first, and what
// shows there in the end hides its root.
void first_process::mount_disk_and_terminals() {
    check(move_mount(files_at_first_[disk], "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) == 0, "mount the disk");
    check(mount("/tmp/box", "/box", nullptr, MS_BIND, nullptr) == 0, "mount /box");
    check(mount("/tmp/shm", "/dev/shm", nullptr, MS_BIND, nullptr) == 0, "mount /dev/shm");
    check(mount("/tmp/tmp", "/tmp", nullptr, MS_BIND, nullptr) == 0, "mount /tmp");
    const int devpts = files_at_first_[terminals];
    check(devpts < 0 || move_mount(devpts, "", AT_FDCWD, "/dev/pts", MOVE_MOUNT_F_EMPTY_PATH) == 0, "mount /dev/pts");
}

void first_process::mount_proc() {
    check(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0, "mount /proc");
    for (const auto& hidden : context_.masks) {
        const char* with = hidden.is_directory ? "/var/empty" : "/dev/null";
        check(mount(with, hidden.path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mask in /proc");
    }
}

void first_process::join_groups() {
    const auto join = files_at_first_.subspan(groups);
    check_step(inside::join_groups(join.data(), static_cast<unsigned>(join.size()), context_.idle_scheduling));
    // Only now, so that the box sees its own group as the root.
    if (!join.empty() || !context_.limits_by_process) check(unshare(CLONE_NEWCGROUP) == 0, "cgroup namespace");
}

// What the program will have comes with its launch; until then only the sockets stay open.
void first_process::keep_needed_descriptors() {
    const int moved = fcntl(files_at_first_[ahead], F_DUPFD_CLOEXEC, ahead_fd);  // from where the other will be
    if (socket_ != socket_fd) check(dup3(socket_, socket_fd, O_CLOEXEC) == socket_fd, "socket");
    socket_ = socket_fd;
    if (moved != ahead_fd) check(dup3(moved, ahead_fd, O_CLOEXEC) == ahead_fd, "socket to a program");
    check(close_range(ahead_fd + 1, ~0U, 0) == 0, "close descriptors");
}

void first_process::await_launch() {
    while (!launched_ || (what_.start != start_kind::cold && ahead_ == 0)) {
        const auto listeners = listeners_.polled();
        std::array<pollfd, 4> all{pollfd{socket_, POLLIN, 0}, pollfd{ahead_fd, POLLIN, 0}, listeners[0],
                                  listeners[1]};  // -1 is skipped
        if (poll(all.data(), all.size(), -1) < 0 && errno != EINTR) fail("wait for orders", errno);
        listeners_.answer(std::span(all).subspan(2));
        if (all[1].revents != 0) take_arrival();
        if (all[0].revents != 0) take_order();
    }
}

void first_process::take_order() {
    auto got = receive_packet(socket_);
    if (!got && got.error() == boost::system::errc::resource_unavailable_try_again) return;
    if (!got) _exit(1);  // the broker is gone, or does not want this box any more
    if (auto* park = std::get_if<park_packet>(&got->what)) {
        start_ahead(std::move(*park), std::move(got->descriptors));
    } else if (auto* launch = std::get_if<launch_packet>(&got->what); launch != nullptr && !launched_) {
        what_ = std::move(*launch);
        files_ = std::move(got->descriptors);
        launched_ = true;
    } else {
        fail("an order that there is none of", EPROTO);
    }
}

void first_process::start_ahead(park_packet what, std::vector<descriptor> files) {
    if (executable_ != nullptr || files.size() != 1) fail("an order to park", EPROTO);
    int standing_in[2];
    check(pipe2(standing_in, O_CLOEXEC) == 0, "streams to boot with");
    take_streams(standing_in[0], standing_in[1], standing_in[1]);
    check(dup2(files[0].get(), inside::control_fd) == inside::control_fd, "the program's socket");
    prepare_command(what.executable, what.arguments, what.environment);
    start_program();
    close(inside::control_fd);
    // Both ends stay here, so that whatever it should say meanwhile stops nobody.
}

void first_process::take_arrival() {
    inside::arrival here;
    std::vector<descriptor> beside;
    if (receive_bytes(ahead_fd, &here, sizeof here, beside)) fail("a program that waited has ended", EPIPE);
    here.step[sizeof here.step - 1] = '\0';
    if (here.error != 0 || here.process <= 1) fail(here.step, here.error);
    const bool of_zygote = executable_ == nullptr;  // not of pid 1
    const bool brings_listener = of_zygote && context_.listener_flags != 0 && !hears_ahead_;
    if (brings_listener == beside.empty()) fail("listener", EPROTO);
    if (brings_listener) {
        check(listeners_.add(beside.front().release()), "listener");
        hears_ahead_ = true;
        return;
    }
    ahead_ = here.process;
    report(box_record::kind::ready, 0);
}

// In the box's own control group, so that the memory is the box's.
void first_process::fill_work_directory() {
    if (!what_.file_name.empty()) {
        const std::string path = "/box/" + what_.file_name;
        const descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        const auto& bytes = what_.file_bytes;
        check(file && ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
              "write the script");
    }
    std::vector<int> sources;
    for (std::size_t i = 3; i < files_.size(); ++i) sources.push_back(files_[i].get());
    check_step(put_files(what_.files, sources));
}

std::vector<inside::start_order::limit> first_process::limits_of_program() const {
    const box_limits& l = what_.limits;
    // Behind a pids controller only a second wall. Every run has a user id or a user namespace of its own, in which
    // this counts; pid 1 is one more.
    const std::uint64_t processes = context_.limits_by_process ? l.processes + 1 : l.processes + 64;
    std::vector<inside::start_order::limit> all{{RLIMIT_FSIZE, {l.disk_bytes, l.disk_bytes}},
                                                {RLIMIT_NPROC, {processes, processes}}};
    if (context_.limits_by_process) {
        // Address space is no measure (node reserves gigabytes of it); what may be written to is.
        all.push_back({RLIMIT_DATA, {l.memory_bytes, l.memory_bytes}});
        const rlim_t cpu_s = (l.cpu_ms + 999) / 1000;
        all.push_back({RLIMIT_CPU, {cpu_s, cpu_s + 1}});  // a signal, and then the end
    }
    for (auto& [which, value] : all) value = within_own(which, value);
    return all;
}

void first_process::take_streams(int input, int output, int error) {
    check(dup2(input, 0) == 0, "standard input");
    check(dup2(output, 1) == 1, "standard output");
    check(dup2(error, 2) == 2, "standard error");
}

void first_process::prepare_command(const std::string& executable, const std::vector<std::string>& arguments,
                                    const std::vector<std::string>& environment) {
    const auto point_to = [](const std::vector<std::string>& texts, std::vector<char*>& pointers) {
        for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
        pointers.push_back(nullptr);
    };
    executable_ = executable.c_str();
    point_to(arguments, arguments_);
    // Both end with a null; the names of the run's own user come last.
    point_to(environment, environment_);
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
    if (self.on_terminal_ && ioctl(0, TIOCSCTTY, 0) != 0) give_up("controlling terminal");
    for (const auto& limit : self.limits_)
        if (setrlimit(static_cast<__rlimit_resource_t>(limit.which), &limit.value) != 0) give_up("limits");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(self.executable_, self.arguments_.data(), self.environment_.data());
    give_up("exec");
    return 0;
}

volatile sig_atomic_t program_group = 0;

// Who is not in this process' namespace has number 0 here: the broker. A program may say so too, of signals to itself.
void forward(int, siginfo_t* about, void*) {
    const int error = errno;
    if (about->si_code == SI_QUEUE && about->si_pid == 0 && program_group > 0)
        ::kill(-program_group, about->si_value.sival_int);
    errno = error;
}

void first_process::catch_signals() {
    struct sigaction action{};
    action.sa_sigaction = &forward;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    check(sigaction(forwarding_signal, &action, nullptr) == 0, "signal handler");
    // The end of a child ends a wait, and is never lost before one.
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    check(sigaction(SIGCHLD, &nothing, nullptr) == 0 && sigprocmask(SIG_BLOCK, &children, nullptr) == 0, "SIGCHLD");
}

pid_t first_process::start_program() {
    alignas(16) static std::array<char, 64U << 10> stack;
    // Like vfork: pid 1 goes on when the program has been executed or has failed to be.
    const pid_t child =
        clone(&first_process::program, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, this);
    check(child > 0, "start the program");
    if (failed_step_ != nullptr) fail(failed_step_, failed_error_);
    return child;
}

void first_process::reap_until_end(pid_t program) {
    close_range(0, 2, 0);
    sigset_t none;
    sigemptyset(&none);
    for (;;) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == program) {
            // Whatever the program has left is this process's child by now, or below one.
            int other = 0;
            while (waitpid(-1, &other, WNOHANG) > 0) {
            }
            const bool alone = waitpid(-1, &other, WNOHANG) < 0 && errno == ECHILD;
            report(box_record::kind::ended, status, alone);
            shutdown(socket_, SHUT_WR);  // wakes a broker that waits for this alone
            _exit(0);                    // the kernel kills whatever else is in the pid namespace
        }
        // A zygote's child is this one's only when the process between them has ended.
        const bool not_yet = ended < 0 && errno == ECHILD && ::kill(program, 0) == 0;
        if (ended < 0 && errno != EINTR && !not_yet) fail("wait", errno);
        if (ended > 0) continue;
        auto listeners = listeners_.polled();
        if (ppoll(listeners.data(), listeners.size(), nullptr, &none) > 0) listeners_.answer(listeners);
    }
}

void first_process::begin_cold() {
    take_streams(files_[0].get(), files_[1].get(), files_[2].get());
    on_terminal_ = what_.terminal.rows != 0;
    limits_ = limits_of_program();
    prepare_command(what_.executable, what_.arguments, what_.environment);
    ahead_ = start_program();
}

// The program is there and waits for what it could not know before.
void first_process::begin_ahead() {
    std::string text = user_ + '\0' + login_ + '\0' + '\0';
    for (std::size_t i = what_.own_arguments; i < what_.arguments.size(); ++i) text += what_.arguments[i] + '\0';
    const std::string_view whole = text;
    auto memory = make_sealed_file("order", std::span(&whole, 1));
    check(memory.has_value(), "a text for the program");
    inside::start_order order;
    for (const auto& limit : limits_of_program()) order.limits[order.limit_count++] = limit;
    const std::array files{files_[0].get(), files_[1].get(), files_[2].get(), memory->get()};
    const std::string_view bytes(reinterpret_cast<const char*>(&order), sizeof order);
    check(!send_bytes(ahead_fd, bytes, files), "hand the program over");
}

void first_process::run() {
    prctl(PR_SET_NAME, waiting_box_name);
    // The broker is user 0 of the nursery's user namespace, which is the server's user outside.
    if (context_.own_user_namespace) check_step(map_ids(owner_, 0, 0));
    mount_disk_and_terminals();
    mount_proc();
    join_groups();
    keep_needed_descriptors();
    check_step(set_common_limits());
    umask(022);
    check(chdir("/box") == 0, "work directory");
    check_step(inside::drop_privileges(context_.own_user_namespace, owner_));
    // Changing the user cleared it, so it comes here; a broker that died before is seen by the socket's end.
    check(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "parent death signal");
    signal(SIGPIPE, SIG_DFL);  // all that the broker has changed
    catch_signals();
    const int listener = load_filter(context_.filters.whole, context_.listener_flags);
    check(listener >= 0, "seccomp");
    if (context_.listener_flags != 0) check(listeners_.add(listener), "listener");
    report(box_record::kind::made, 0);
    await_launch();
    prctl(PR_SET_NAME, box_name);
    // Until now a zygote of the same user had to be able to enter here.
    check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
    fill_work_directory();
    if (what_.start == start_kind::cold) {
        begin_cold();
    } else {
        begin_ahead();
    }
    program_group = ahead_;
    // Until the end only the socket and the listeners are of use.
    close_range(socket_fd + 1, socket_listeners::first_fd - 1, 0);
    close_range(socket_listeners::first_fd + socket_listeners::most, ~0U, 0);
    report(box_record::kind::began, 0);
    reap_until_end(ahead_);
}

}  // namespace

runtime::result<box_process> start_box(const box_context& context, uid_t owner, int disk, int terminals,
                                       box_group& group, const box_networks& networks, const box_network& network,
                                       low_slots& slots) {
    auto join = group.join_files();
    if (!join) return join.error();
    auto ends = make_channel();
    auto ahead = make_channel();
    if (!ends || !ahead) return ends ? ahead.error() : ends.error();
    box_process started;
    started.socket = std::move((*ends)[0]);
    started.program_end = std::move((*ahead)[0]);
    std::vector<int> files{(*ends)[1].get(), (*ahead)[1].get(), disk, terminals};
    files.insert(files.end(), join->begin(), join->end());

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
    started.slots = slots.lend(files);
    if (started.slots) arguments.flags |= CLONE_FILES;
    // Only now: the sockets above are nothing of the box's.
    if (const auto failed = networks.enter(network)) return failed;
    const long id = syscall(SYS_clone3, &arguments, sizeof arguments);
    const auto failed = runtime::last_error();
    if (id != 0) networks.leave();
    if (id < 0) return failed;
    if (id == 0) {
        first_process(context, owner, files, started.slots.has_value()).run();
    }
    started.id = static_cast<pid_t>(id);
    started.handle.reset(handle);
    return started;
}

}  // namespace stages::worker::sandbox
