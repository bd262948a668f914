#include "stages/worker/sandbox/warm/zygote.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "runtime/base/last_error.hpp"
#include "runtime/base/time.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"
#include "stages/worker/sandbox/filter/seccomp_filter.hpp"

namespace stages::worker::sandbox {
namespace {

// As in a box, so that what the interpreter makes of them while it boots is the same.
bool take_streams() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    return dup2(ends[0], 0) == 0 && dup2(ends[1], 1) == 1 && dup2(ends[1], 2) == 2;
}

// What it needs to enter a box and to become its user; see allow_zygotes(). An ordinary user's is root of the server's
// own user namespace, whose programs have all.
bool keep_capabilities() {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    return syscall(SYS_capget, &head, sets) == 0 && sets[0].inheritable != 0;
}

// In the new process.
[[noreturn]] void become_interpreter(const box_context& context, const warm_packet& what, int socket, int filter) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    bool good = unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0 && take_streams();
    good = good && dup2(socket, inside::control_fd) >= 0 && dup2(filter, inside::filter_fd) >= 0;
    good = good && close_range(3, inside::control_fd - 1, 0) == 0 && close_range(inside::filter_fd + 1, ~0U, 0) == 0;
    good = good && set_common_limits() == nullptr && chdir("/box") == 0;
    good = good && (context.own_user_namespace || keep_capabilities());
    umask(022);
    good = good && load_filter(context.filters.zygote, 0) == 0;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    for (const auto& word : what.arguments) arguments.push_back(const_cast<char*>(word.c_str()));
    for (const auto& word : what.environment) environment.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    if (good) execve(what.executable.c_str(), arguments.data(), environment.data());
    _exit(127);
}

}  // namespace

runtime::result<zygote> zygote::start(const box_context& context, const warm_packet& what) {
    zygote made;
    auto ends = make_channel();
    if (!ends) return ends.error();
    const std::string_view bytes(reinterpret_cast<const char*>(context.filters.zygote_child.data()),
                                 context.filters.zygote_child.size() * sizeof(sock_filter));
    auto filter = make_sealed_file("filter", std::span(&bytes, 1));
    if (!filter) return filter.error();
    // It waits for orders, which is all that it does.
    const int blocking = fcntl((*ends)[1].get(), F_GETFL) & ~O_NONBLOCK;
    if (fcntl((*ends)[1].get(), F_SETFL, blocking) != 0) return runtime::last_error();
    made.owes_since_ns_ = runtime::system_clock().steady().nanoseconds_since_start;
    const pid_t child = fork();
    if (child < 0) return runtime::last_error();
    if (child == 0) become_interpreter(context, what, (*ends)[1].get(), filter->get());
    made.socket_ = std::move((*ends)[0]);
    made.handle_.reset(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    if (!made.handle_) return runtime::last_error();
    return made;
}

zygote::~zygote() {
    if (!handle_) return;
    syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
    siginfo_t about{};
    waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(handle_.get()), &about, WEXITED);
}

bool zygote::take_reports(std::int64_t now_ns) {
    for (;;) {
        inside::arrival said;
        const ssize_t n = ::recv(socket_.get(), &said, sizeof said, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return true;
        if (n != sizeof said) {
            problem_ = ready_ ? "it has ended" : "it ended while it booted";
            return false;
        }
        said.step[sizeof said.step - 1] = '\0';
        if (said.error != 0) problem_ = said.step + (": error " + std::to_string(said.error));
        owes_since_ns_ = now_ns;
        if (ready_) {
            --owed_;  // a child that could not be made is its box's trouble
        } else if (said.error != 0) {
            return false;
        }
        ready_ = true;
    }
}

runtime::error_code zygote::make_child(const box_context& context, const box_process& box, uid_t owner,
                                       box_group& group, std::int64_t now_ns) {
    const auto groups = group.entries();
    if (!groups) return groups.error();
    inside::child_order order;
    order.owner = owner;
    order.groups = static_cast<std::uint32_t>(groups->size());
    order.own_user_namespace = context.own_user_namespace;
    order.own_group_namespace = !context.limits_by_process;
    order.idle_scheduling = context.idle_scheduling;
    order.listener_flags = context.listener_flags;
    std::vector<int> files{box.handle.get(), box.program_end.get()};
    files.insert(files.end(), groups->begin(), groups->end());
    const std::string_view bytes(reinterpret_cast<const char*>(&order), sizeof order);
    if (const auto failed = send_bytes(socket_.get(), bytes, files)) return failed;
    if (owed_++ == 0) owes_since_ns_ = now_ns;
    ++children_;
    return {};
}

}  // namespace stages::worker::sandbox
