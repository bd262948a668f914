// Programs whose interpreter had booted before they came: nothing but the time is different, and they cannot tell.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/abuse/warm.hpp"

namespace tests {
namespace {

using stages::worker::box_start;

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
    expect_same_answers(box_start::zygote, "python", ask_python, {"a b", "", "ä", "-c"});
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
    ASSERT_TRUE(host.has("node"));
    expect_same_answers(box_start::parked, "node", R"code(
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
)code",
                        {"a b", "", "ä", "--version"});
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

// But for the number of its process and what is mapped into it. Who it is the box's number says, in names and vectors.
TEST_F(warm, a_bash_program_cannot_tell_how_it_began) {
    const auto apart = expect_same_answers(box_start::zygote, "bash", R"code(
mine='^(BASHPID|PPID|RANDOM|SRANDOM|SECONDS|UID|EUID|USER|LOGNAME|EPOCH[A-Z]*|BASH_MONOSECONDS|_)='
echo "$# $0 $- $SHLVL $BASH_SUBSHELL $LINENO ${BASH_SOURCE[*]} $_" "${@@Q}"
((SECONDS < 60)); echo "just begun $?"
[[ $USER == box || $USER == "box$UID" ]]; echo "user $?"
[[ $$ == "$BASHPID" && $UID == "$EUID" && $UID == "$(id -u)" ]]; echo "ids $?"
[ -t 0 ] || [ -t 1 ] || [ -t 2 ]; echo "terminal $?"
set | grep -Ev "$mine"; declare -p | cut -d' ' -f2-3 | grep -Ev 'mine|_=' | sed 's/=.*//'
env | cut -d= -f1; tr '\0' '\n' < /proc/$$/environ | sed "s/box$UID/box/"; tr '\0' '\n' < /proc/$$/cmdline
[[ $(od -An -v -td8 -w16 /proc/$$/auxv | awk '$1 >= 11 && $1 <= 14 { print $2 }' | sort -u) == "$UID" ]]; echo "vector $?"
pgrep -fc 'main.sh a b'
set -o; shopt; ulimit -a; ulimit -Ha; umask; trap -p; alias; jobs; pwd; dirs; locale
ls -a / /box /tmp /dev; stat -c '%A %s %n' /box/* /tmp; ls /proc/$$/fd /proc/$$/task > /tmp/listed; wc -l < /tmp/listed
for name in status limits oom_score_adj cgroup mounts comm timerslack_ns personality; do
    lines=(); { mapfile -t lines < /proc/$$/$name; } 2> /tmp/none  # by itself: beside a pipeline it is now this, now that
    printf '%s\n' "${lines[@]:-none of $name}" | grep -Ev 'Seccomp_filters|'\
'^(Pid|Tgid|Uid|Gid|Ngid|NSp|NSt|NSs|Vm|Rss|Hugetlb|voluntary|nonvol|PPid|SigQ|Cpus|Mems|x86|Spec)'
done
cat; read -r more; echo "$? $more"; cat /proc/1/comm; uname -n
)code",
                                           {"a b", "", "ä", "-c", "*"});
    EXPECT_GT(apart.standard_output.size(), 8000U);
    for (const char* script : {"exit 3",
                               "kill -9 $$",
                               "kill -TERM $$",
                               "if",
                               "set -u; echo $nothing",
                               "set -e; false; echo no",
                               "trap 'echo bye' EXIT; echo hi",
                               "no_such_command",
                               "exec ls /",
                               "exec no_such_command",
                               "(exit 7)",
                               "ls / | sort -r | head -2; echo ${PIPESTATUS[*]}",
                               "sleep 0.05 & wait; echo late",
                               "diff <(echo a) <(echo b)",
                               "coproc cat; echo x >&${COPROC[1]}; read -ru ${COPROC[0]} y; echo $y",
                               "yes | head -1",
                               "cat <<< text",
                               "printf 'no line'",

                               "ulimit -n 3; ls",
                               "exec 1>&-; echo x",
                               "echo x >> main.sh",
                               "bash -c 'env | grep -c LD_PRELOAD'",
                               "trap 'echo INT' INT; kill -INT $$",
                               "read -r x; echo $?",
                               "(trap '' TERM)",
                               "cd /tmp; echo ~ $OLDPWD; cd -",
                               "$BASH --norc -c 'echo $0 $-'",
                               "readonly UID; UID=3",
                               "enable -f x y"}) {
        expect_alike(box_start::zygote, request("bash", script));
    }
}

TEST_F(warm, a_perl_program_cannot_tell_how_it_began) {
    ASSERT_TRUE(host.has("perl"));
    expect_same_answers(box_start::zygote, "perl", R"code(
use strict; use warnings; use POSIX (); use Config;
my @lines = ("@ARGV", scalar(@ARGV), $0, $^X, $^V, $^W, $;, $^O, "@INC", join(' ', sort keys %INC), ${^TAINT}, ${^UNICODE},
             ${^UTF8LOCALE}, time - $^T < 60, $], $|, $/, umask, getppid, POSIX::getpgrp() == $$, $< == $>, $( eq $));
push @lines, map { "$_=" . ($ENV{$_} =~ /^box/ ? 'box' : $ENV{$_}) } sort keys %ENV;
push @lines, map { "$_ " . ($SIG{$_} // 'unset') } sort keys %SIG;
push @lines, map { fileno($_) . join(',', PerlIO::get_layers($_)) . (-t $_ ? 't' : 'f') . (-p $_ ? 'p' : 'f') } (*STDIN, *STDOUT, *STDERR);
push @lines, POSIX::setlocale(POSIX::LC_ALL()) // 'none', POSIX::getcwd(), -s $0, join(' ', sort { $a cmp $b } keys %main::);
push @lines, `sh -c 'ulimit -a; env | sort | cut -d= -f1'`, do { local $/; scalar <STDIN> };
print join("\n", map { $_ // 'undef' } @lines), "\n";
)code",
                        {"a b", "", "ä", "-e"});
    for (const char* script :
         {"exit 3", "die 'no'", "kill 9, $$", "print 'no line'", "END { print 'bye' } print 'hi'", "if (",
          "warn 'x'; exec 'ls', '/'",
          "my $p = fork; if (!$p) { print \"child\\n\"; exit 0 } waitpid $p, 0; print \"parent $?\\n\"",
          "system 'exit 4'; print $? >> 8",
          "$0 = 'a name that is longer than the one before'; open F, '/proc/self/comm'; print <F>",
          "use threads; threads->create(sub { print 1 })->join",
          "$ENV{X} = 'y'; print `env | grep -c -e X=y -e LD_PRELOAD`",
          "local $SIG{ALRM} = sub { die \"late\\n\" }; alarm 1; select undef, undef, undef, 5"}) {
        expect_alike(box_start::zygote, request("perl", script));
    }
}

// The text of an order is longer than any pipe.
TEST_F(warm, a_program_gets_as_many_arguments_as_there_may_be) {
    auto what = request("bash", "printf '%s\\n' \"$@\" | sha256sum; echo $#");
    for (int i = 0; i < 60; ++i) what.args.push_back(std::string(4000, static_cast<char>('a' + i % 26)));
    expect_alike(box_start::zygote, what);
}

// What a zygote's children share is the layout of memory, and Python's the seed of its hash tables, and no more.
TEST_F(warm, no_two_programs_draw_the_same_numbers) {
    struct draws {
        const char* lang;
        const char* script;
        int words;
    };
    const draws languages[]{
        {"python",
         "import os, random, uuid, secrets, tempfile, ssl\n"
         "print(random.random(), uuid.uuid4(), secrets.token_hex(8), os.urandom(8).hex(),\n"
         "      next(tempfile._get_candidate_names()), ssl.RAND_bytes(8).hex(), random.SystemRandom().random())\n",
         7},
        {"bash", "echo $RANDOM$RANDOM $SRANDOM$SRANDOM $(mktemp -u) $(echo $RANDOM$RANDOM)", 4},
        {"perl", "print rand, ' ', int(rand(1e9)), ' ', join('', keys %{{map { $_ => 1 } 1 .. 99}})", 3},
    };
    for (const auto& one : languages) {
        ASSERT_TRUE(host.has(one.lang)) << one.lang;
        std::istringstream first(run_as(box_start::zygote, request(one.lang, one.script)).standard_output);
        std::istringstream second(run_as(box_start::zygote, request(one.lang, one.script)).standard_output);
        std::string a;
        std::string b;
        int words = 0;
        for (; words < one.words && first >> a && second >> b; ++words) EXPECT_NE(a, b) << one.lang;
        EXPECT_EQ(words, one.words) << one.lang;
    }
}

}  // namespace
}  // namespace tests
