// A library that is preloaded into an interpreter which boots before there is a program for it (LD_PRELOAD); it needs
// the C library alone. It stands in two places of an interpreter's own code:
//
//   fork()             in a zygote: waits for an order and makes a child that is in the order's box before it returns
//   open(order_path)   waits until this process's program is there; standard streams and limits are the program's then
//
// and in a third, _exit(), by which a process may end that has rehearsed: a zygote's first child, whose program is an
// example (hot_pages.hpp).
//
// What the interpreter does around them is its own: it knows how to fork itself. One that knows nothing of this is a
// zygote in front of its main(), and that call has the program's arguments and variables.
//
// Once the program is there this library stands aside, and in other processes it never does anything.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/auxvec.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "stages/worker/sandbox/inside/hot_pages.hpp"
#include "stages/worker/sandbox/inside/shut_in.hpp"
#include "stages/worker/sandbox/inside/wire.hpp"

namespace inside = stages::worker::sandbox::inside;

namespace {

using inside::arrival;
using inside::child_order;
using inside::control_fd;
using inside::filter_fd;
using inside::start_order;

enum class role { bystander, zygote, zygote_at_main, parked, child, rehearsal };
using main_function = int (*)(int, char**, char**);
struct auxiliary_entry {
    unsigned long type;
    unsigned long value;
};
using start_function = int (*)(main_function, int, char**, void (*)(), void (*)(), void (*)(), void*);

constexpr unsigned filter_max = 4096;
constexpr unsigned descriptors_max = 2 + inside::groups_max;

role part = role::bystander;
bool is_ready = false;
int own_process = -1;
sock_filter filter[filter_max];
sock_fprog filter_program{0, filter};
pid_t (*next_fork)() = nullptr;
int (*next_open)(const char*, int, ...) = nullptr;
int (*next_open64)(const char*, int, ...) = nullptr;
main_function own_main = nullptr;
inside::hot_pages pages;
auxiliary_entry* auxiliary_vector = nullptr;

// Not getenv() and unsetenv(): these a shell has its own ones of. Takes the variable out of the environment.
const char* take_variable(const char* name) {
    const size_t length = strlen(name);
    const char* value = nullptr;
    char** kept = environ;
    for (char** each = environ; *each != nullptr; ++each) {
        const bool is_it = strncmp(*each, name, length) == 0 && (*each)[length] == '=';
        if (is_it) value = *each + length + 1;
        if (!is_it) *kept++ = *each;
    }
    *kept = nullptr;
    return value;
}

__attribute__((constructor)) void begin() {
    next_fork = reinterpret_cast<pid_t (*)()>(dlsym(RTLD_NEXT, "fork"));
    next_open = reinterpret_cast<int (*)(const char*, int, ...)>(dlsym(RTLD_NEXT, "open"));
    next_open64 = reinterpret_cast<int (*)(const char*, int, ...)>(dlsym(RTLD_NEXT, "open64"));
    char** end = environ;
    while (*end != nullptr) ++end;
    auxiliary_vector = reinterpret_cast<auxiliary_entry*>(end + 1);
    const char* name = take_variable(inside::role_variable);
    if (name == nullptr) return;
    take_variable("LD_PRELOAD");
    part = strcmp(name, "zygote") == 0           ? role::zygote
           : strcmp(name, "zygote_at_main") == 0 ? role::zygote_at_main
                                                 : role::parked;
    if (part == role::parked) return;
    const ssize_t bytes = pread(filter_fd, filter, sizeof filter, 0);
    own_process = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
    if (bytes <= 0 || bytes == sizeof filter || own_process < 0) _exit(1);
    filter_program.len = static_cast<unsigned short>(static_cast<size_t>(bytes) / sizeof(sock_filter));
    close(filter_fd);
}

void tell(int socket, const char* failed_step, int error, int listener = -1) {
    arrival report;
    report.process = getpid();
    report.error = error;
    if (failed_step != nullptr) strncpy(report.step, failed_step, sizeof report.step - 1);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part_of{&report, sizeof report};
    msghdr message{};
    message.msg_iov = &part_of;
    message.msg_iovlen = 1;
    if (listener >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &listener, sizeof listener);
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof report) _exit(1);
}

// Waits for a message of that size and as many descriptors as `count` has room for. The end of the other side is the
// end of this one.
template <class T>
unsigned receive(T& into, int* descriptors, unsigned count) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * descriptors_max)];
    iovec part_of{&into, sizeof into};
    msghdr message{};
    message.msg_iov = &part_of;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    ssize_t n = 0;
    do {
        n = recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof into || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) _exit(n == 0 ? 0 : 1);
    const cmsghdr* head = CMSG_FIRSTHDR(&message);
    if (head == nullptr || head->cmsg_type != SCM_RIGHTS) return 0;
    const auto got = static_cast<unsigned>((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(head), got * sizeof(int));
    return got;
}

struct child_place {
    child_order order;
    int descriptors[descriptors_max] = {};
    [[nodiscard]] int box() const { return descriptors[0]; }
    [[nodiscard]] int socket() const { return descriptors[1]; }
    [[nodiscard]] int namespaces() const {
        int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
        if (order.own_user_namespace) flags |= CLONE_NEWUSER;
        if (order.own_group_namespace) flags |= CLONE_NEWCGROUP;
        return flags;
    }
};

[[noreturn]] void give_up(const child_place& place, const char* step) {
    tell(place.socket(), step, errno);
    _exit(127);
}

// The same as pid 1 of a box does with itself, and its program before the exec; and like there the filter comes last.
// Returns its listener, or -1.
int shut_in(const child_place& place) {
    const child_order& order = place.order;
    const auto check = [&place](bool worked, const char* step) {
        if (!worked) give_up(place, step);
    };
    const auto check_step = [&place](const char* failed) {
        if (failed != nullptr) give_up(place, failed);
    };
    check_step(inside::join_groups(place.descriptors + 2, order.groups, order.idle_scheduling));
    check(chdir("/box") == 0, "work directory");
    check(setsid() >= 0, "setsid");
    check_step(inside::drop_privileges(order.own_user_namespace, order.owner));
    // As an exec makes it: the program may look at its own /proc/self. Another user's process it never could.
    check(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0, "dumpable");
    check(dup3(place.socket(), control_fd, O_CLOEXEC) == control_fd, "socket");
    check(close_range(3, control_fd - 1, 0) == 0 && close_range(control_fd + 1, ~0U, 0) == 0, "close descriptors");
    const long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, order.listener_flags, &filter_program);
    if (listener < 0) {
        tell(control_fd, "seccomp", errno);
        _exit(127);
    }
    return order.listener_flags != 0 ? static_cast<int>(listener) : -1;
}

// Two steps, so that the box's pid 1 becomes the parent: a process that shares this one's memory enters the box's
// namespaces, forks, and ends. True in the child.
bool make_child(const child_place& place, int& error) {
    if (setns(place.box(), CLONE_NEWPID) != 0) {
        error = errno;
        return false;
    }
    volatile int failed = 0;
    const pid_t between = vfork();
    if (between == 0) {
        if (setns(place.box(), place.namespaces()) != 0) {
            failed = errno;
            _exit(1);
        }
        const pid_t child = next_fork();
        if (child == 0) return true;
        if (child < 0) failed = errno;
        _exit(0);
    }
    if (between < 0) failed = errno;
    // Its own children, if it ever has any, stay here.
    setns(own_process, CLONE_NEWPID);
    if (between > 0)
        while (waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
        }
    error = failed;
    return false;
}

// What a rehearsal has instead of an order: see order_path.
constexpr char rehearsal_order[] = "USER=box\0LOGNAME=box\0";
constexpr int rehearsal_ms_max = 1000;

// The first process of a pid namespace of its own, so that all that it starts ends with it, as it does with its zygote.
// It has no capability, and the whole filter, whose listener is nobody: no socket can be made.
void shut_in_rehearsal() {
    const bool good = inside::drop_privileges(true, 0) == nullptr && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter_program) == 0;
    pollfd zygote{own_process, POLLIN, 0};
    if (!good || poll(&zygote, 1, 0) != 0) _exit(1);
}

// Once, before there are children: the language's example, which lies where their programs will, runs in a process that
// learns which pages it needs. True in that process; the zygote waits for its end.
bool rehearse() {
    if (!pages.find()) return false;
    const bool apart = unshare(CLONE_NEWPID) == 0;
    const pid_t child = apart ? next_fork() : -1;
    if (child == 0) {
        shut_in_rehearsal();
        part = role::rehearsal;
        pages.watch();
        return true;
    }
    // An ordinary user's may not; the namespace of the next order's box then takes that one's place.
    if (apart) setns(own_process, CLONE_NEWPID);
    if (child > 0) {
        pollfd ended{static_cast<int>(syscall(SYS_pidfd_open, child, 0)), POLLIN, 0};
        poll(&ended, 1, rehearsal_ms_max);
        kill(child, SIGKILL);
        close(ended.fd);
        while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    pages.keep();
    return false;
}

int open_rehearsal_order() {
    const int file = memfd_create("order", MFD_CLOEXEC);
    if (file < 0 || pwrite(file, rehearsal_order, sizeof rehearsal_order, 0) != sizeof rehearsal_order) _exit(1);
    return file;
}

// Bash and Perl come here by exit(), Python by _exit(); what they have started may as well, and has learned nothing.
__attribute__((destructor)) void end_rehearsal() {
    if (part != role::rehearsal || getpid() != 1) return;
    part = role::bystander;
    pages.note();
}

pid_t next_child() {
    if (!is_ready) {
        // With a second thread the copy could stand still for ever, and who else is there must not have user code.
        const bool alone = unshare(CLONE_THREAD) == 0;
        if (alone && rehearse()) return 0;
        tell(control_fd, alone ? nullptr : "an interpreter with threads is no zygote", alone ? 0 : EINVAL);
        if (!alone) _exit(1);
        is_ready = true;
    }
    child_place place;
    const unsigned got = receive(place.order, place.descriptors, descriptors_max);
    if (got < 2 || place.order.groups != got - 2) _exit(1);
    int error = 0;
    if (make_child(place, error)) {
        const int listener = shut_in(place);
        part = role::child;
        // At once: a call that makes such a socket waits for who listens.
        if (listener >= 0) {
            tell(control_fd, nullptr, 0, listener);
            close(listener);
        }
        return 0;
    }
    for (unsigned i = 0; i < got; ++i) close(place.descriptors[i]);
    tell(control_fd, error == 0 ? nullptr : "fork into a box", error);
    return 1;
}

// The descriptor of the text that the hook reads. What the interpreter does before it asks is done ahead.
int await_program() {
    if (part == role::rehearsal) return open_rehearsal_order();
    tell(control_fd, nullptr, 0);
    start_order order;
    int descriptors[descriptors_max];
    if (receive(order, descriptors, 4) != 4) _exit(1);
    for (int i = 0; i < 3; ++i) {
        if (dup2(descriptors[i], i) != i) _exit(1);
        close(descriptors[i]);
    }
    for (unsigned i = 0; i < order.limit_count && i < start_order::limits_max; ++i)
        if (setrlimit(static_cast<__rlimit_resource_t>(order.limits[i].which), &order.limits[i].value) != 0) _exit(1);
    close(control_fd);
    part = role::bystander;
    return descriptors[3];
}

struct text {
    char* begin;
    char* end;
};

// The whole of a file, followed by a NUL; kept for the life of the process.
text read_whole(int file) {
    struct stat about{};
    if (fstat(file, &about) != 0) _exit(1);
    const auto size = static_cast<size_t>(about.st_size);
    auto* const bytes = static_cast<char*>(malloc(size + 1));
    if (bytes == nullptr) _exit(1);
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(file, bytes + done, size - done);
        if (n <= 0) _exit(1);
        done += static_cast<size_t>(n);
    }
    bytes[size] = '\0';
    return {bytes, bytes + size};
}

// Words that lie behind each other, a NUL behind each, and a null behind the pointers to them.
char** pointers_to(char* first, const char* end) {
    size_t count = 0;
    for (const char* word = first; word < end; word += strlen(word) + 1) ++count;
    auto** const all = static_cast<char**>(calloc(count + 1, sizeof(char*)));
    if (all == nullptr) _exit(1);
    char** next = all;
    for (char* word = first; word < end; word += strlen(word) + 1) *next++ = word;
    return all;
}

size_t bytes_of(char* const* words) {
    size_t bytes = 0;
    for (; *words != nullptr; ++words) bytes += strlen(*words) + 1;
    return bytes;
}

char* append(char* at, char* const* words) {
    for (; *words != nullptr; ++words) at = stpcpy(at, *words) + 1;
    return at;
}

char* append(char* at, text more) { return static_cast<char*>(mempcpy(at, more.begin, more.end - more.begin)); }

// What the kernel has noted of this process's memory; all 0 if that cannot be told.
prctl_mm_map noted_places() {
    prctl_mm_map places{};
    const int file = next_open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (file < 0) return places;
    char line[1024];
    const ssize_t bytes = read(file, line, sizeof line - 1);
    close(file);
    line[bytes > 0 ? bytes : 0] = '\0';
    const char* at = strrchr(line, ')');  // a name may have blanks
    unsigned long long fields[52] = {};
    for (unsigned number = 3; at != nullptr && number < 52; ++number) {
        at = strchr(at + 1, ' ');
        if (at != nullptr) fields[number] = strtoull(at + 1, nullptr, 10);
    }
    places.start_code = fields[26];
    places.end_code = fields[27];
    places.start_stack = fields[28];
    places.start_data = fields[45];
    places.end_data = fields[46];
    places.start_brk = fields[47];
    return places;
}

// Who this process is was written beside its first environment, when it was another one.
size_t name_user_in_auxiliary_vector() {
    size_t count = 1;
    for (auxiliary_entry* each = auxiliary_vector; each->type != AT_NULL; ++each, ++count) {
        if (each->type == AT_UID || each->type == AT_EUID) each->value = getuid();
        if (each->type == AT_GID || each->type == AT_EGID) each->value = getgid();
    }
    return count * sizeof(auxiliary_entry);
}

// For those who read /proc/self/cmdline and its like. A kernel without CONFIG_CHECKPOINT_RESTORE shows the zygote's.
void show(prctl_mm_map places, const text& arguments, const text& variables, size_t auxiliary_bytes) {
    if (places.start_stack == 0) return;
    const auto address = [](const void* where) { return reinterpret_cast<unsigned long long>(where); };
    places.brk = address(sbrk(0));
    places.arg_start = address(arguments.begin);
    places.arg_end = address(arguments.end);
    places.env_start = address(variables.begin);
    places.env_end = address(variables.end);
    places.auxv = reinterpret_cast<decltype(places.auxv)>(auxiliary_vector);
    places.auxv_size = static_cast<unsigned>(auxiliary_bytes);
    places.exe_fd = static_cast<unsigned>(-1);
    prctl(PR_SET_MM, PR_SET_MM_MAP, &places, sizeof places, 0);
}

// What the hooks of other interpreters do: the order is each variable that is still missing, an empty text, and each
// argument. All arguments and then all variables lie behind each other, as an exec puts them.
int run_main(char** arguments, const text& order, const prctl_mm_map& places) {
    text missing{order.begin, order.begin};
    while (missing.end < order.end && *missing.end != '\0') missing.end += strlen(missing.end) + 1;
    const text further{missing.end + 1, order.end};
    auto* const all = static_cast<char*>(
        malloc(bytes_of(arguments) + bytes_of(environ) + static_cast<size_t>(order.end - order.begin)));
    if (all == nullptr) _exit(1);
    char* const middle = append(append(all, arguments), further);
    char* const end = append(append(middle, environ), missing);
    show(places, {all, middle}, {middle, end}, name_user_in_auxiliary_vector());
    environ = pointers_to(middle, end);
    char** const words = pointers_to(all, middle);
    int count = 0;
    while (words[count] != nullptr) ++count;
    return own_main(count, words, environ);
}

int bear_children(int /*count*/, char** arguments, char** /*variables*/) {
    // The C library keeps the files of a locale that it has loaded once: what every child would do.
    setlocale(LC_ALL, "");
    setlocale(LC_ALL, "C");
    while (next_child() != 0) {
    }
    const prctl_mm_map places = noted_places();
    const int file = await_program();
    const text order = read_whole(file);
    close(file);
    return run_main(arguments, order, places);
}

bool is_order(const char* path) {
    return (part == role::parked || part == role::child || part == role::rehearsal) &&
           strcmp(path, inside::order_path) == 0;
}

}  // namespace

#define SHOWN extern "C" __attribute__((visibility("default")))

// Every program's first call, once all that it is linked with has begun.
SHOWN int __libc_start_main(main_function main, int count, char** arguments, void (*init)(), void (*fini)(),
                            void (*end_of_linker)(), void* end_of_stack) {
    const auto next = reinterpret_cast<start_function>(dlsym(RTLD_NEXT, "__libc_start_main"));
    own_main = main;
    return next(part == role::zygote_at_main ? bear_children : main, count, arguments, init, fini, end_of_linker,
                end_of_stack);
}

SHOWN __attribute__((noreturn)) void _exit(int code) {
    end_rehearsal();
    for (;;) syscall(SYS_exit_group, code);
}

SHOWN pid_t fork() { return part == role::zygote ? next_child() : next_fork(); }

SHOWN int open(const char* path, int flags, ...) {
    if (is_order(path)) return await_program();
    va_list more;
    va_start(more, flags);
    const unsigned mode = va_arg(more, unsigned);
    va_end(more);
    return next_open(path, flags, mode);
}

SHOWN int open64(const char* path, int flags, ...) {
    if (is_order(path)) return await_program();
    va_list more;
    va_start(more, flags);
    const unsigned mode = va_arg(more, unsigned);
    va_end(more);
    return next_open64(path, flags, mode);
}
