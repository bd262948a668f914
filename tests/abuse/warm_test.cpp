// Programs whose interpreter had booted before they came: nothing but the time is different, and nothing of it is
// within their reach.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "tests/abuse/hostile.hpp"

namespace tests {
namespace {

using stages::worker::box_start;
using stages::worker::cause;
using stages::worker::launch_request;

class warm : public hostile {
  protected:
    static launch_request request(const std::string& lang, const std::string& script, bool cold = false) {
        auto out = sandbox_host::request(lang, script);
        out.cold = cold;
        out.limits.memory_bytes = 1ULL << 30;
        return out;
    }
    static box_start start_of(const outcome& out) {
        return out.verdict.isolation ? out.verdict.isolation->start : box_start::cold;
    }
    // Runs it until it has begun as asked for: the first of a language boots what the next ones need.
    outcome run_as(box_start start, const launch_request& what) {
        outcome out;
        for (int attempt = 0; attempt < 400; ++attempt) {
            out = host.run(what);
            if (start_of(out) == start) return out;
            usleep(25'000);
        }
        ADD_FAILURE() << "never began as asked for: " << static_cast<int>(start_of(out)) << " " << out.verdict.message;
        return out;
    }
    // It cannot tell from its start, nor does its end tell. Returns what a cold one did.
    outcome expect_alike(box_start start, launch_request what) {
        const auto warmed = run_as(start, what);
        what.cold = true;
        auto apart = host.run(what);
        EXPECT_EQ(apart.standard_output, warmed.standard_output) << what.script;
        EXPECT_EQ(apart.standard_error, warmed.standard_error) << what.script;
        EXPECT_EQ(apart.verdict.exit_code, warmed.verdict.exit_code) << what.script;
        EXPECT_EQ(apart.verdict.signal, warmed.verdict.signal) << what.script;
        return apart;
    }
    outcome python(const std::string& script) { return run_as(box_start::zygote, request("python", script)); }
    bool zygote_is_there() {
        for (int attempt = 0; attempt < 400 && host.zygotes().empty(); ++attempt) {
            host.run(request("python", ""));
            usleep(25'000);
        }
        return !host.zygotes().empty();
    }
    // No more is kept of boxes that have ended than for as many as shall wait; one network is always there.
    static bool spares_follow(const std::vector<stages::worker::sandbox::pool_packet>& pools) {
        std::uint32_t wanted = 0;
        for (const auto& pool : pools) wanted += pool.wanted;
        return pools.front().kept_groups <= wanted && pools.front().kept_networks <= std::max(1U, wanted);
    }
    // The pool of that name as the broker last told.
    std::uint32_t waiting_boxes() {
        std::uint32_t all = 0;
        for (const auto& pool : host.pools()) all += pool.ready;
        return all;
    }
};

TEST_F(warm, a_request_may_insist_on_a_cold_start) {
    const auto first = python("print(1)");
    EXPECT_EQ(first.standard_output, "1\n");
    const auto cold = host.run(request("python", "print(1)", true));
    EXPECT_EQ(start_of(cold), box_start::cold);
    EXPECT_EQ(cold.standard_output, "1\n");
}

// Everything that a program can ask its interpreter and the system, but for what is different in any two runs, and for
// the objects that the collector leaves alone (gc.get_freeze_count, gc.get_objects), of which a cold start has none,
// and the one function that is registered for its end.
constexpr const char* ask_python = R"code(
import sys
before = sorted(sys.modules)
caches = sorted(sys.path_importer_cache)
import os, resource, signal, threading, locale, atexit, gc, site, json, stat
lines = {}
lines['modules'] = before
lines['caches'] = caches
for name in ('argv', 'orig_argv', 'path', 'flags', 'executable', 'prefix', 'base_prefix', 'exec_prefix', 'meta_path',
             'path_hooks', 'warnoptions', 'dont_write_bytecode', 'pycache_prefix', '_xoptions', 'platform',
             'displayhook', 'excepthook', 'version', 'byteorder'):
    lines[name] = str(getattr(sys, name)).split(' at 0x')[0] if name != 'argv' else getattr(sys, name)
lines['globals'] = sorted((k, str(v).split(' at 0x')[0]) for k, v in globals().items()
                          if k.startswith('__') and k != '__builtins__')
lines['builtins'] = sorted(vars(__builtins__))
lines['environment'] = [(k, v) for k, v in os.environ.items() if k not in ('USER', 'LOGNAME')]
lines['names of variables'] = list(os.environ)
lines['whoami'] = os.environ['USER'] == 'box' + ('' if os.getuid() == 1000 else str(os.getuid()))
lines['directory'] = os.getcwd()
for name, file in (('stdin', sys.stdin), ('stdout', sys.stdout), ('stderr', sys.stderr)):
    lines[name] = (file.encoding, file.errors, file.line_buffering, file.write_through, file.isatty(), file.seekable(),
                   str(type(file.buffer)), getattr(file, 'newlines'), file.name, file.mode, file.fileno(),
                   stat.S_IFMT(os.fstat(file.fileno()).st_mode), os.get_blocking(file.fileno()),
                   os.get_inheritable(file.fileno()))
lines['signals'] = [str(signal.getsignal(s)).split(' at 0x')[0] for s in sorted(signal.valid_signals())]
lines['mask'] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
lines['limits'] = [(n, resource.getrlimit(getattr(resource, n))) for n in sorted(dir(resource)) if n.startswith('RLIMIT_')]
lines['descriptors'] = sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd'))
lines['umask'] = os.umask(0o22)
lines['session'] = os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), os.getppid()
lines['ids'] = os.getresuid() == (os.getuid(),) * 3, os.getresgid() == (os.getgid(),) * 3, os.getgroups()
lines['scheduling'] = os.sched_getscheduler(0), os.nice(0), sorted(os.sched_getaffinity(0))
lines['locale'] = locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(), sys.getfilesystemencoding()
lines['threads'] = threading.active_count(), threading.main_thread() is threading.current_thread(), \
    threading.main_thread().ident == threading.get_ident(), threading.current_thread().native_id == os.getpid()
lines['atexit'] = max(1, atexit._ncallbacks())
lines['collector'] = gc.get_threshold(), gc.isenabled(), gc.get_debug(), len(gc.garbage)
lines['site'] = site.ENABLE_USER_SITE, site.getusersitepackages(), site.getsitepackages()
lines['recursion'] = sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile()
lines['hooks'] = sys.breakpointhook is sys.__breakpointhook__, sys.unraisablehook is sys.__unraisablehook__
lines['frame'] = sys._getframe().f_back, sys._getframe().f_code.co_filename, sys._getframe().f_lineno
for name in ('status', 'limits', 'oom_score_adj', 'cgroup', 'mounts', 'comm', 'timerslack_ns', 'personality'):
    skip = ('Pid', 'Tgid', 'Uid', 'Gid', 'Ngid', 'NSp', 'NSt', 'NSs', 'Vm', 'Rss', 'Hugetlb', 'voluntary', 'nonvol',
            'Threads', 'PPid', 'SigQ', 'Cpus', 'Mems', 'x86', 'Speculation', 'Seccomp_filters')
    try: lines[name] = [l for l in open('/proc/self/' + name) if not l.startswith(skip)]
    except OSError as error: lines[name] = str(error)
lines['namespaces'] = [open('/proc/1/comm').read(), os.uname().nodename, sorted(os.listdir('/'))]
lines['files'] = sorted(os.listdir('/box')), sorted(os.listdir('/tmp')), sorted(os.listdir('/dev')), os.stat('main.py').st_mode
lines['text'] = sys.stdin.read()
print(json.dumps(lines, indent=1, default=str))
)code";

TEST_F(warm, a_python_program_cannot_tell_how_it_began) {
    auto what = request("python", ask_python);
    what.args = {"a b", "", "ä", "-c"};
    what.standard_input = "some\ninput";
    const auto apart = expect_alike(box_start::zygote, what);
    EXPECT_EQ(apart.verdict.exit_code, 0) << apart.standard_error;
}

TEST_F(warm, a_python_program_ends_as_it_would) {
    const std::vector<std::string> scripts{
        "raise ValueError('no')",
        "def f():\n    return 1 / 0\nf()\n",
        "import sys\nsys.exit(7)",
        "import sys\nsys.exit('why')",
        "raise KeyboardInterrupt",
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(5)",
        "import os\nos.abort()",
        "import os\nos._exit(9)",
        "x = (",
        "import atexit\natexit.register(print, 'bye')\nprint('hi', end='')",
        "import sys\nsys.stdout.write('no line')",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
        "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\nraise OSError",
        "import os\nif os.fork() == 0: print('child'); os._exit(0)\nos.wait(); print('parent')",
        "import subprocess\nprint(subprocess.run(['env'], capture_output=True, text=True).stdout.count('LD_PRELOAD'))",
        "import inspect, traceback\ntraceback.print_stack(); print(len(inspect.stack()), __name__, __file__)",
        "import os\nos.close(1)\nprint('x')",
        "import ctypes\nctypes.string_at(0)",
        "import signal, os\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\nr, w = os.pipe()\nos.close(r)\nos.write(w, "
        "b'x')",
        "class A:\n    def __del__(self): print('gone')\na = A()\n",
        "import usercustomize\n",
    };
    for (const auto& script : scripts) expect_alike(box_start::zygote, request("python", script));
}

TEST_F(warm, a_node_program_cannot_tell_how_it_began) {
    if (!host.has("node")) GTEST_SKIP() << "no node on this machine";
    auto what = request("node", R"code(
const fs = require("fs");
const lines = {
    argv: process.argv, execArgv: process.execArgv, title: process.title, directory: process.cwd(),
    environment: Object.keys(process.env).filter(k => process.env[k] !== undefined),
    path: process.env.PATH, cache: Object.keys(require.cache), main: require.main === module, file: __filename,
    parent: module.parent, children: module.children.length, paths: module.paths, stack: new Error().stack,
    input: fs.readFileSync(0, "utf8"), isTTY: [process.stdin.isTTY, process.stdout.isTTY],
    globals: Object.getOwnPropertyNames(globalThis).sort(), descriptors: fs.readdirSync("/proc/self/fd").length > 3,
    limits: fs.readFileSync("/proc/self/limits", "utf8"), files: fs.readdirSync("."), exit: process.exitCode,
    listeners: process.eventNames().map(String), umask: process.umask(0o22), path_cache: Object.keys(module.constructor._pathCache),
};
console.log(JSON.stringify(lines, null, 1));
)code");
    what.args = {"a b", "", "ä", "--version"};
    what.standard_input = "some\ninput";
    const auto apart = expect_alike(box_start::parked, what);
    EXPECT_EQ(apart.verdict.exit_code, 0) << apart.standard_error;
    for (const char* script :
         {"process.exit(3)", "throw new Error('no')", "setTimeout(() => console.log('late'), 30)",
          "process.on('exit', () => console.log('bye'))", "await 1", "process.abort()",
          "const w = require('worker_threads');\n"
          "new w.Worker(`const w = require('worker_threads');\n"
          "w.parentPort.postMessage([Object.keys(require.cache), process.execArgv,\n"
          "                          process.env.NODE_OPTIONS, process.argv.slice(2)])`,\n"
          "             {eval: true}).on('message', m => console.log(JSON.stringify(m)));",
          "process.env.NODE_OPTIONS = '--no-warnings';\n"
          "const c = require('child_process');\n"
          "console.log(c.execFileSync(process.execPath, ['-p', 'process.env.NODE_OPTIONS']).toString())",
          "if (process.argv[2]) console.log('child', process.execArgv.length, process.argv.length);\n"
          "else require('child_process').fork(__filename, ['x'])"}) {
        expect_alike(box_start::parked, request("node", script));
    }
}

// What a zygote's children share is the seed of hash tables and the layout of memory, and no more.
TEST_F(warm, no_two_programs_draw_the_same_numbers) {
    const char* script =
        "import os, random, uuid, secrets, tempfile, ssl\n"
        "print(random.random(), uuid.uuid4(), secrets.token_hex(8), os.urandom(8).hex(),\n"
        "      next(tempfile._get_candidate_names()), ssl.RAND_bytes(8).hex(), random.SystemRandom().random())\n";
    const auto one = python(script);
    const auto other = python(script);
    EXPECT_EQ(std::ranges::count(one.standard_output, ' '), 6) << one.standard_error;
    std::istringstream first(one.standard_output);
    std::istringstream second(other.standard_output);
    for (std::string a, b; first >> a && second >> b;) EXPECT_NE(a, b);
}

// The zygote, its memory, its socket, its other children.
TEST_F(warm, a_hostile_program_finds_nothing_of_its_zygote) {
    ASSERT_TRUE(zygote_is_there());
    const auto before = host.zygotes();
    const auto out = python(R"code(
import ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
found = []
# Other processes: no number but the box's own exists, and no signal leaves it.
if sorted(p for p in os.listdir('/proc') if p.isdigit()) not in (['1', str(os.getpid())],): found.append('processes')
for pid in list(range(1, 400)) + [os.getppid()]:
    if pid == os.getpid(): continue
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(pid, sig); found.append('kill %d' % pid) if pid != 1 else None
        except OSError: pass
    for path in ('mem', 'environ', 'maps', 'fd', 'root', 'cwd'):
        if pid == 1:
            try: open('/proc/1/' + path, 'rb').read(1); found.append('/proc/1/' + path)
            except OSError: pass
    if libc.ptrace(16, pid, 0, 0) == 0: found.append('ptrace %d' % pid)
    fd = libc.syscall(434, pid, 0)   # pidfd_open
    if fd >= 0:
        if libc.syscall(438, fd, 0, 0) >= 0: found.append('pidfd_getfd %d' % pid)
        if libc.setns(fd, 0x20000000) == 0: found.append('setns %d' % pid)
        os.close(fd)
# Descriptors: only the three streams, whatever number one tries.
for fd in range(3, 4096):
    try: os.fstat(fd); found.append('descriptor %d' % fd)
    except OSError: pass
# Sockets: the network is the box's own, and the zygote listens nowhere.
for line in open('/proc/net/unix').read().splitlines()[1:]:
    if len(line.split()) > 7: found.append('socket ' + line)   # one with a name
# The library that was preloaded does nothing any more.
child = os.fork()
if child == 0: os._exit(3)
if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 3: found.append('fork')
try: os.open('/.weir/order', os.O_RDONLY); found.append('a second order')
except FileNotFoundError: pass
# Barriers of a box.
status = dict(l.split(':', 1) for l in open('/proc/self/status'))
for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
    if int(status[name], 16): found.append(name)
if status['NoNewPrivs'].strip() != '1' or status['Seccomp'].strip() != '2': found.append('barriers')
for path in ('/.weir', '/.weir/warm.so', '/usr', '/etc', '/'):
    if os.access(path, os.W_OK): found.append(path)
for flags in (0x20000000, 0x10000000, 0x00020000, 0x40000000):
    if libc.unshare(flags) == 0: found.append('unshare %x' % flags)
try: os.setuid(0); found.append('setuid')
except OSError: pass
# What it changes in its interpreter is its own.
import builtins
builtins.poisoned = True
sys.modules['json'] = None
os.environ['POISONED'] = '1'
for i in range(200):
    try: os.fork() or os._exit(0)
    except OSError: break
print(found)
)code");
    EXPECT_EQ(out.verdict.exit_code, 0) << out.standard_error;
    EXPECT_EQ(out.standard_output, "[]\n");
    const auto after =
        python("import os, sys, json, builtins\nprint(hasattr(builtins, 'poisoned'), 'POISONED' in os.environ)\n");
    EXPECT_EQ(after.standard_output, "False False\n") << after.standard_error;
    EXPECT_EQ(host.zygotes(), before);
}

TEST_F(warm, two_programs_of_one_zygote_share_no_namespace_and_no_user) {
    const char* script =
        "import os, time\nprint(os.getuid(), *(os.readlink('/proc/self/ns/' + n) for n in\n"
        "      ('cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts')))\ntime.sleep(0.3)\n";
    ASSERT_TRUE(zygote_is_there());
    std::vector<launch_request> requests(2, request("python", script));
    const auto both = host.run_all(requests);
    std::istringstream one(both[0].standard_output);
    std::istringstream other(both[1].standard_output);
    int words = 0;
    for (std::string a, b; one >> a && other >> b; ++words) {
        if (words == 0 && geteuid() != 0) continue;
        if (words == 1 && !host.limits_trees()) continue;
        EXPECT_NE(a, b);
    }
    EXPECT_EQ(words, 7);
    EXPECT_EQ(start_of(both[0]), box_start::zygote);
    EXPECT_EQ(start_of(both[1]), box_start::zygote);
}

// It has a filter of its own, whose listener comes to pid 1.
TEST_F(warm, a_zygotes_child_that_makes_a_socket_is_the_last_in_its_network) {
    if (!sandbox_host::reuses_networks()) GTEST_SKIP() << "every box has a new one";
    ASSERT_TRUE(zygote_is_there());
    const auto reused_by = [this](const std::string& script) {
        const auto before = host.pools_by_now().front().networks_reused;
        for (int i = 0; i < 20; ++i) EXPECT_EQ(python(script).verdict.exit_code, 0);
        return host.pools_by_now().front().networks_reused - before;
    };
    EXPECT_GE(reused_by("print(1)\n"), 12U);
    EXPECT_LE(reused_by("import socket\nsocket.socketpair()\n"), 8U);
}

TEST_F(warm, a_killed_zygote_is_replaced_and_its_children_live_on) {
    ASSERT_TRUE(zygote_is_there());
    const auto before = host.zygotes();
    run_options options;
    options.on_started = [&] {
        for (const pid_t one : before) ::kill(one, SIGKILL);
    };
    auto what = request("python", "import time\ntime.sleep(0.2)\nprint('done')");
    const auto out = host.run(what, options);
    EXPECT_EQ(out.standard_output, "done\n") << out.verdict.message;
    EXPECT_EQ(python("print(2)").standard_output, "2\n");
    ASSERT_TRUE(zygote_is_there());
    for (const pid_t one : host.zygotes()) EXPECT_EQ(std::ranges::count(before, one), 0);
}

// A stopped one owes an answer: what waits for it is lost, by name, and may be tried again.
TEST_F(warm, runs_that_a_dead_zygote_owes_a_process_end_as_infrastructure) {
    ASSERT_TRUE(zygote_is_there());
    for (const pid_t one : host.zygotes()) ::kill(one, SIGSTOP);
    std::vector<launch_request> requests(12, request("python", "print(3)"));
    std::jthread killer([&] {
        usleep(700'000);
        for (const pid_t one : host.zygotes()) ::kill(one, SIGKILL);
    });
    const auto all = host.run_all(requests);
    int lost = 0;
    for (const auto& out : all) {
        if (out.verdict.ended_by == cause::infrastructure) ++lost;
        if (out.verdict.ended_by != cause::infrastructure) EXPECT_EQ(out.standard_output, "3\n");
        EXPECT_FALSE(out.verdict.ended_by == cause::infrastructure && out.started);
    }
    EXPECT_GT(lost, 0);
    EXPECT_EQ(python("print(4)").standard_output, "4\n");
}

TEST_F(warm, limits_hold_in_a_warm_box) {
    auto what = request("python", "x = bytearray(200_000_000)\nprint('no')");
    what.limits.memory_bytes = 64ULL << 20;
    const auto memory = run_as(box_start::zygote, what);
    if (host.limits_trees()) EXPECT_EQ(memory.verdict.ended_by, cause::out_of_memory);
    if (!host.limits_trees()) EXPECT_NE(memory.verdict.exit_code, 0);
    what = request("python", "while True: pass");
    what.limits.cpu_ms = 300;
    const auto cpu = run_as(box_start::zygote, what);
    EXPECT_EQ(cpu.verdict.ended_by, cause::timeout_cpu);
    what = request("python", "import time\ntime.sleep(60)");
    what.limits.wall_ms = 200;
    const auto wall = run_as(box_start::zygote, what);
    EXPECT_EQ(wall.verdict.ended_by, cause::timeout_wall);
    what = request("python", "open('big', 'wb').write(bytes(9_000_000))");
    what.limits.disk_bytes = 1ULL << 20;
    EXPECT_EQ(run_as(box_start::zygote, what).verdict.ended_by, cause::disk_limit);
}

TEST_F(warm, what_boots_ahead_has_not_the_limits_of_the_program_before_it) {
    if (!host.has("node")) GTEST_SKIP() << "needs node";
    auto narrow = sandbox_host::request("bash", "exit 0");
    narrow.limits.memory_bytes = 20ULL << 20;
    narrow.limits.processes = 2;
    const auto lost_while_they_waited = [this] {
        std::uint64_t all = 0;
        for (const auto& pool : host.pools_by_now()) all += pool.failed;
        return all;
    };
    const auto before = lost_while_they_waited();
    for (int round = 0; round < 4; ++round) {
        host.run_all(std::vector<launch_request>(4, narrow));
        const auto out = run_as(box_start::parked, request("node", "console.log(5)"));
        EXPECT_EQ(out.standard_output, "5\n") << out.verdict.message;
    }
    EXPECT_EQ(lost_while_they_waited(), before);
}

// Named bounds: pool_max of each kind, four parked ones; back at rest within ten seconds.
TEST_F(warm, pools_follow_demand_and_shrink) {
    std::vector<launch_request> requests(12, request("python", "import time\ntime.sleep(0.05)"));
    std::uint32_t most = 0;
    for (int round = 0; round < 6; ++round) {
        host.run_all(requests);
        usleep(150'000);
        for (const auto& pool : host.pools()) {
            EXPECT_LE(pool.wanted, 4U);
            most = std::max(most, pool.wanted);
        }
    }
    EXPECT_EQ(most, 4U);
    bool rests = false;
    for (int tenth = 0; tenth < 100 && !rests; ++tenth) {
        usleep(100'000);
        rests = std::ranges::all_of(host.pools(), [](const auto& p) { return p.wanted <= 1 && p.ready <= 1; }) &&
                spares_follow(host.pools());
    }
    std::string pools;
    for (const auto& p : host.pools())
        pools += std::to_string(p.number) + ": " + std::to_string(p.wanted) + " wanted, " + std::to_string(p.ready) +
                 " ready, " + std::to_string(p.kept_networks) + " networks, " + std::to_string(p.kept_groups) +
                 " groups; ";
    EXPECT_TRUE(rests) << pools;
    EXPECT_LE(waiting_boxes(), host.pools().size());
}

}  // namespace
}  // namespace tests
