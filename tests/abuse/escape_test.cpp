// Programs that want out, or want to see what is not theirs.
#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

class escape : public hostile {};

TEST_F(escape, the_machines_files_are_not_there) {
    EXPECT_EQ(python(R"code(
import os
for path in ['/etc/shadow', '/root/.bashrc', '/home', '/proc/1/root/etc/passwd', '/proc/1/environ', '/sys/kernel',
             '/var/log', '/work', '/data', '/dev/mem', '/dev/kmsg', '/dev/fuse', '/dev/tty', '/dev/ptmx', '/proc/kcore',
             '/../../etc/shadow']:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
        print('open:', path)
    except OSError:
        pass
print(sorted(os.listdir('/dev')), sorted(set(os.listdir('/')) - {'bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin'}))
)code"),
              "['fd', 'full', 'null', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero'] "
              "['.weir', 'box', 'dev', 'etc', 'proc', 'root', 'run', 'tmp', 'usr', 'var']\n");
}

TEST_F(escape, only_the_work_places_can_be_written) {
    EXPECT_EQ(python(R"code(
import os
for path in ['/', '/usr', '/usr/bin', '/usr/local/lib', '/etc', '/dev', '/var', '/run', '/root', '/proc', '/box',
             '/tmp', '/dev/shm', '/var/tmp']:
    try:
        open(path + '/x', 'w').write('x'); os.unlink(path + '/x')
        print(path)
    except OSError:
        pass
)code"),
              "/box\n/tmp\n/dev/shm\n/var/tmp\n");
}

TEST_F(escape, nothing_of_the_server_comes_along) {
    EXPECT_EQ(python(R"code(
import os
print(sorted(os.environ), os.getcwd())
fds = os.listdir('/proc/self/fd')
print(fds, [os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in '012'])
print(os.getsid(0) == os.getpid(), set(os.getgroups()) <= {os.getgid(), 65534}, os.umask(0))
print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))])
)code"),
              "['HOME', 'LANG', 'LOGNAME', 'PATH', 'PWD', 'PYTHONUNBUFFERED', 'SHELL', 'TMPDIR', 'USER'] /box\n"
              "['0', '1', '2', '3'] ['pipe', 'pipe', 'pipe']\n"
              "True True 18\n"
              "['0000000000000000', '0000000000000000', '0000000000000000', '0000000000000000', '0000000000000000', "
              "'1', '2']\n");
}

TEST_F(escape, process_one_tells_nothing_of_the_server) {
    EXPECT_EQ(python(R"code(
import os
print('weir-nursery'.startswith(open('/proc/1/cmdline').read().strip('\0')), open('/proc/1/comm').read().strip())
for name in ('environ', 'maps', 'auxv', 'fd', 'cwd', 'exe', 'root', 'mem', 'syscall', 'stack'):
    try:
        path = '/proc/1/' + name
        if name == 'fd': print(os.listdir(path))
        elif name in ('cwd', 'exe', 'root'): print(os.readlink(path))
        else: print(name, open(path, 'rb').read(10))
    except OSError: pass
)code"),
              "True weir-box\n");
}

TEST_F(escape, it_is_not_root_and_not_process_one) {
    EXPECT_EQ(python(R"code(
import os
print(os.getuid() > 0 and os.getuid() == os.geteuid() == os.getgid(), os.getpid() > 1, os.uname().nodename)
print(open('/proc/self/cgroup').read().count('/weir'))
for target in (1, -1):
    try: os.kill(target, 9)
    except OSError as e: print(e.strerror)
for what in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot('/tmp'), lambda: os.nice(-5),
             lambda: os.sethostname('x') if hasattr(os, 'sethostname') else os.chroot('.'),
             lambda: os.mknod('/tmp/n', 0o20666, os.makedev(1, 1)), lambda: os.chown('/usr', 0, 0)):
    try: what(); print('done')
    except OSError as e: pass
print('alive')
)code"),
              host.limits_trees() ? "True True box\n0\nNo such process\nalive\n"
                                  : "True True box\n" + std::string("0\nNo such process\nalive\n"));
}

TEST_F(escape, calls_that_administer_the_machine_are_refused) {
    EXPECT_EQ(python(R"code(
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == 'x86_64'
calls = {  # name: (x86_64 number, aarch64 number, arguments, expected)
    'ptrace': (101, 117, (0, 0, 0, 0), 'EPERM'), 'unshare': (272, 97, (0x10000000,), 'EPERM'),
    'setns': (308, 268, (0, 0), 'EPERM'), 'mount': (165, 40, (0, 0, 0, 0, 0), 'EPERM'),
    'umount2': (166, 39, (0, 0), 'EPERM'), 'pivot_root': (155, 41, (0, 0), 'EPERM'),
    'chroot': (161, 51, (b'/tmp',), 'EPERM'), 'bpf': (321, 280, (0, 0, 0), 'EPERM'),
    'perf_event_open': (298, 241, (0, 0, 0, 0, 0), 'EPERM'), 'userfaultfd': (323, 282, (0,), 'EPERM'),
    'io_uring_setup': (425, 425, (8, 0), 'EPERM'), 'keyctl': (250, 219, (0, 0), 'EPERM'),
    'add_key': (248, 217, (0, 0, 0, 0, 0), 'EPERM'), 'process_vm_readv': (310, 270, (1, 0, 0, 0, 0, 0), 'EPERM'),
    'open_by_handle_at': (304, 265, (0, 0, 0), 'EPERM'), 'name_to_handle_at': (303, 264, (0, 0, 0, 0, 0), 'EPERM'),
    'kexec_load': (246, 104, (0, 0, 0, 0), 'EPERM'), 'init_module': (175, 105, (0, 0, 0), 'EPERM'),
    'finit_module': (313, 273, (0, 0, 0), 'EPERM'), 'reboot': (169, 142, (0, 0, 0), 'EPERM'),
    'swapon': (167, 224, (0, 0), 'EPERM'), 'acct': (163, 89, (0,), 'EPERM'),
    'personality': (135, 92, (0x40000,), 'EPERM'), 'clock_settime': (227, 112, (0, 0), 'EPERM'),
    'pidfd_getfd': (438, 438, (0, 0, 0), 'EPERM'), 'kcmp': (312, 272, (1, 1, 0, 0, 0), 'EPERM'),
    'fsopen': (430, 430, (b'tmpfs', 0), 'EPERM'), 'open_tree': (428, 428, (0, 0, 0), 'EPERM'),
    'move_mount': (429, 429, (0, 0, 0, 0, 0), 'EPERM'), 'mount_setattr': (442, 442, (0, 0, 0, 0, 0), 'EPERM'),
    'clone NEWUSER': (56, 220, (0x10000011, 0, 0, 0, 0), 'EPERM'),
    'clone NEWNET': (56, 220, (0x40000011, 0, 0, 0, 0), 'EPERM'),
    'clone3': (435, 435, (0, 0), 'ENOSYS'), 'a new one': (470, 470, (0, 0), 'ENOSYS'),
    'far': (5000, 5000, (0,), 'ENOSYS'),
    'prlimit of pid 1': (302, 261, (1, 7, 0, 0), 'EPERM'), 'TIOCSTI': (16, 29, (0, 0x5412, b'x'), 'EPERM'),
    'TIOCSTI, upper bits set': (16, 29, (0, 0x500005412, b'x'), 'EPERM'),
    'vsock': (41, 198, (40, 1, 0), 'EAFNOSUPPORT'), 'alg': (41, 198, (38, 5, 0), 'EAFNOSUPPORT'),
    'packet': (41, 198, (17, 3, 0), 'EAFNOSUPPORT'), 'netlink audit': (41, 198, (16, 3, 9), 'EAFNOSUPPORT'),
    'key': (41, 198, (15, 3, 2), 'EAFNOSUPPORT'), 'raw': (41, 198, (2, 3, 1), 'EPERM'),
}
for name, (a, b, arguments, expected) in calls.items():
    ctypes.set_errno(0)
    arguments = [ctypes.c_long(x) if isinstance(x, int) else x for x in arguments]
    answer = libc.syscall(ctypes.c_long(a if x86 else b), *arguments)
    got = errno.errorcode.get(ctypes.get_errno(), '0')
    if answer != -1 or got != expected: print(name, answer, got)
print('end')
)code"),
              "end\n");
}

TEST_F(escape, another_architectures_calls_end_the_process) {
#if defined(__x86_64__)
    for (const char* code : {"b814000000cd80c3", "b8270000400f05c3"}) {  // int 0x80; getpid of x32
        const auto out = host.python(std::string("import ctypes, mmap\ncode = bytes.fromhex('") + code + R"code(')
m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
m.write(code)
print('before')
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
print('after')
)code");
        EXPECT_EQ(out.verdict.signal, 31) << out.standard_error;
        EXPECT_EQ(out.standard_output, "before\n");
    }
#endif
}

TEST_F(escape, there_is_no_network_but_its_own_loopback) {
    EXPECT_EQ(python(R"code(
import errno, socket
for family, kind, address in [(socket.AF_INET, socket.SOCK_STREAM, ('1.1.1.1', 80)),
                              (socket.AF_INET, socket.SOCK_DGRAM, ('169.254.169.254', 53)),
                              (socket.AF_INET, socket.SOCK_STREAM, ('10.0.0.1', 80)),
                              (socket.AF_INET6, socket.SOCK_STREAM, ('2606:4700:4700::1111', 80)),
                              (socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 8080))]:
    try:
        s = socket.socket(family, kind)
        s.settimeout(3)
        print(errno.errorcode[s.connect_ex(address)])
    except OSError:
        print('ENETUNREACH' if family == socket.AF_INET6 else '?')  # a kernel without it
try: socket.getaddrinfo('example.com', 80); print('resolved')
except socket.gaierror: print('no name')
print([name for _, name in socket.if_nameindex()])
)code"),
              "ENETUNREACH\nENETUNREACH\nENETUNREACH\nENETUNREACH\nECONNREFUSED\nno name\n['lo']\n");
}

TEST_F(escape, two_runs_at_once_cannot_reach_each_other) {
    const std::string script = R"code(
import ctypes, os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind('\0meet'); s.listen()
t = socket.create_server(('127.0.0.1', 7777))
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(4711, 4096, 0o3666) >= 0)  # IPC_CREAT | IPC_EXCL
time.sleep(0.5)
)code";
    const auto all = host.run_all({sandbox_host::request("python", script), sandbox_host::request("python", script)});
    for (const auto& out : all) {
        EXPECT_EQ(out.verdict.exit_code, 0) << out.standard_error;
        EXPECT_EQ(out.standard_output, "True\n");
    }
}

TEST_F(escape, no_run_leaves_anything_for_the_next) {
    const std::string script =
        "ls -A /box /tmp /dev/shm /var/tmp /run | grep -v -e : -e main.sh | xargs; "
        "touch /box/a /tmp/b /dev/shm/c /var/tmp/d; ls /box /tmp | grep -c .";
    const auto first = host.bash(script);
    const auto second = host.bash(script);
    EXPECT_EQ(first.standard_output, second.standard_output);
    EXPECT_EQ(first.standard_output.substr(0, 1), "\n");
}

TEST_F(escape, setuid_programs_gain_nothing) {
    const auto out = host.bash(
        "cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && /tmp/id -u | grep -vx 0 >/dev/null && echo same; "
        "su -c id </dev/null >/dev/null 2>&1 || echo refused; grep NoNewPrivs /proc/self/status");
    EXPECT_EQ(out.standard_output, "same\nrefused\nNoNewPrivs:\t1\n");
}

TEST_F(escape, kernel_tables_are_masked) {
    const auto out = host.bash(
        "for f in kallsyms keys key-users cmdline modules interrupts config.gz timer_list; do "
        "test -e /proc/$f && test -n \"$(tr -d '\\0' < /proc/$f 2>/dev/null)\" && echo $f; done; "
        "for d in bus driver fs irq acpi scsi; do ls /proc/$d 2>/dev/null; done; "
        "echo b 2>/dev/null > /proc/sysrq-trigger; echo x 2>/dev/null > /proc/sys/kernel/core_pattern; "
        "grep -c . /proc/cpuinfo /proc/meminfo > /dev/null && echo useful");
    EXPECT_EQ(out.standard_output, "useful\n");
}

}  // namespace
}  // namespace tests
