"""Python programs end alike, be they cold or warm: what a program can do for, and see of, the end of its interpreter. A warm
one that leaves nobody to be told ends at once, and no other does."""

import re

from harness import expect
from harness.runner import case
from harness.warm import warmed, with_python_manifest

ENDS = ("import os\n"
        "class Ends:\n def __init__(self, name, write=os.write): self.name, self.write = name, write\n"
        " def __call__(self, *what): pass\n def __del__(self): self.write(1, b'ended ' + self.name + b'\\n')\n")
FORGET = "def forget(*what):\n for name in 'type', 'value', 'traceback': delattr(sys, 'last_' + name)\n"
FORGETS = "import sys\nclass Forgets(Exception):\n def __str__(self): {}\nraise Forgets"
C_FILE = ("import ctypes\nC = ctypes.CDLL(None)\nC.fopen.restype = ctypes.c_void_p\n"
          "C.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]\n")
LATE = ("import sys, threading, time\n"
        "def late(stream):\n stream.reconfigure(write_through=False)\n"
        " threading.Thread(target=lambda: (time.sleep(0.05), stream.write('late'))).start()\n")
ENDINGS = {
    "last line": "print(1)",
    "a ring": ENDS + "one = Ends(b'one')\none.self = one",
    "a module's": ENDS + "import sys\nsys.one = one = Ends(b'one')\none.self = one\ndel one\nos.two = Ends(b'two')",
    "a builtin": ENDS + "import builtins\nbuiltins.one = Ends(b'one')",
    "a thread's own": ENDS + "import threading\nown = threading.local()\nown.one = Ends(b'one')",
    "a context's": ENDS + "import contextvars\nvariable = contextvars.ContextVar('v')\nvariable.set(Ends(b'one'))",
    "a codec": ENDS + "import codecs\nkept = Ends(b'one')\ncodecs.register(lambda name: None)",
    "a fork's": ENDS + "os.register_at_fork(before=Ends(b'one'))",
    "the collector's": ENDS + "import contextvars, gc\nvariable = contextvars.ContextVar('v')\n"
                              "variable.set(Ends(b'one'))\ngc.freeze()",
    "everything is garbage again": ENDS + "import gc\ngc.unfreeze()\none = Ends(b'one')",
    "no dictionary": "class Ends:\n __slots__ = ()\n def __del__(self, write=__import__('os').write): write(1, b'ended')\n"
                     "one = Ends()",
    "a subclass of a number": ENDS + "class Number(int): __del__ = lambda self, write=os.write: write(1, b'ended')\n"
                                     "one = Number(1)",
    "a reference": "import os, weakref\nclass One: pass\none = One()\n"
                   "os.kept = weakref.ref(one, lambda gone: print('gone'))",
    "a reference of the library's": "import weakref\nclass One: pass\none = One()\nweakref.finalize(one, print, 'ended')",
    "a proxy": "import os, weakref\nclass One: pass\none = One()\nos.kept = weakref.proxy(one, print)",
    "a proxy that can be called": "import weakref\nclass One:\n def __call__(self): pass\n"
                                  "def ring():\n one = One()\n one.one = one\n return weakref.proxy(one, print)\n"
                                  "kept = ring()",
    "a method": "import weakref\nclass One:\n def method(self): pass\n"
                "def ring():\n one = One()\n one.one = one\n"
                " return weakref.WeakMethod(one.method, lambda gone: print('gone'))\nkept = ring()",
    "a key of weak values": "import weakref\nclass One: pass\nclass Key:\n def __hash__(self): print('hash'); return 1\n"
                            "def ring():\n one = One()\n one.one = one\n return one\n"
                            "kept = weakref.WeakValueDictionary()\nkept[Key()] = ring()",
    "a builtin that is told": "import os, weakref\nclass One: pass\none = One()\nos.kept = weakref.ref(one, print)",
    "a tracer": "import sys\nsys.settrace(lambda frame, event, what: print(event, frame.f_code.co_name))\nstr(1)",
    "a tracer that counts for nothing": "import sys\nclass Traces(list):\n def __call__(self, frame, event, what):\n"
                                        "  print(event, frame.f_code.co_name)\nsys.settrace(Traces())\nstr(1)",
    "a profiler": "import sys\nsys.setprofile(lambda frame, event, what: print(event, frame.f_code.co_name))\nstr(1)",
    "audits": "import sys\nsys.addaudithook(lambda event, what: print(event))\nimport json",
    "a class that had booted": "type(quit).__del__ = print\nkept = type(quit)('a', 'b')",
    "a timer": "import signal\nsignal.signal(signal.SIGALRM, lambda *what: None)\n"
               "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
    "a generator": "def steps():\n try: yield\n finally: print('finally')\nrunning = steps()\nnext(running)",
    "an asynchronous generator": "async def steps():\n try: yield\n finally: print('finally')\nrunning = steps()\n"
                                 "try: running.__anext__().send(None)\nexcept StopIteration: pass",
    "a coroutine": "async def never(): pass\none = never()",
    "a file": "file = open('/dev/stderr', 'w')\nfile.write('not flushed')",
    "a file that nobody closed": "import warnings\nwarnings.simplefilter('always')\nfile = open('/dev/null')",
    "warnings of another list": "import os, warnings\nwarnings.catch_warnings().__enter__()\n"
                                "warnings.simplefilter('always')\nentries = os.scandir('/usr')\nnext(entries)",
    "no filters of warnings": "import os, warnings\nwarnings.resetwarnings()\nentries = os.scandir('/usr')\nnext(entries)",
    "as many warnings": "import os, warnings\nwarnings.filters[-1] = ('always', None, Warning, None, 0)\n"
                        "warnings._filters_mutated()\nentries = os.scandir('/usr')\nnext(entries)",
    "a folder that nobody read": "import os, warnings\nwarnings.simplefilter('always')\nentries = os.scandir('/usr')\n"
                                 "next(entries)",
    "a socket that nobody closed": "import _socket, warnings\nwarnings.simplefilter('always')\none = _socket.socket()",
    "a database": "import sqlite3\none = sqlite3.connect('kept')\none.execute('pragma journal_mode=wal')\n"
                  "one.execute('create table t (x)')\none.commit()",
    "a text": LATE + "late(sys.stdout)",
    "an error's text": LATE + "late(sys.stderr)",
    "output that is detached": "import sys\nout = sys.stdout.detach()\nout.write(b'x')",
    "errors that are detached": "import sys\nout = sys.stderr.detach()",
    "output that says when it is flushed": "import os, sys\nsys.stdout.flush = lambda: os.write(1, b'flushed')",
    "a buffer that says when it is closed": "import os, sys\nsys.stdin.buffer.close = lambda: os.write(1, b'closed')",
    "output that begins again": "import io, sys\nclass Tells(io.RawIOBase):\n def writable(self): return True\n"
                                "sys.stdout.__init__(Tells(), write_through=True)",
    "another output": "import io, sys\nsys.stdout = io.TextIOWrapper(open(1, 'wb', closefd=False))\nprint('not flushed')",
    "C's own output": C_FILE + "C.fputs(b'not flushed', C.fopen(b'kept', b'w'))",
    "a library that is loaded otherwise": C_FILE + "C.fputs(b'not flushed', C.fopen(b'kept', b'w'))\n"
                                          "import _ctypes, ctypes\n_ctypes.__spec__ = None",
    "a library of another loader's": C_FILE + "C.fputs(b'not flushed', C.fopen(b'kept', b'w'))\n"
                                     "import _ctypes\n_ctypes.__spec__.loader = object()",
    "at exit": "import atexit\natexit.register(print, 'last')\natexit.register(print, 'first')",
    "exit at exit": "import atexit, os\natexit.register(os._exit, 6)",
    "exit functions that run early": "import atexit\natexit.register(print, 'now')\natexit._run_exitfuncs()\nprint(1)",
    "exit functions that are gone": "import atexit\natexit.register(print, 'never')\natexit._clear()\nprint(1)",
    "threads": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('later'))).start()\n"
               "threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
    "a collector that is watched": "import gc\ngc.callbacks.append(lambda phase, about: print(phase))",
    "a collector that tells": "import gc\ngc.garbage.append(1)\ngc.set_debug(gc.DEBUG_UNCOLLECTABLE)",
    "a child": "import os, sys\nif os.fork() == 0: sys.exit(5)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))",
    "SystemExit": "import sys\nsys.exit(3)",
    "SystemExit of nowhere": "from sys import exit\nleave = exit\nimport sys\nglobals().clear()\nimport sys\nsys.exit(3)",
    "SystemExit without a file": "import sys\ndel __file__\nsys.exit(3)",
    "SystemExit without a second file": "import sys\ndel __cached__\nsys.exit(3)",
    "SystemExit without a loader": "import sys\ndel __file__, __cached__\n__loader__ = None\nsys.exit(3)",
    "SystemExit with a text": "raise SystemExit('why')",
    "os._exit": "import os\nos._exit(9)",
    "an exception that is forgotten": "import atexit, sys\n" + FORGET + "atexit.register(forget)\nraise ValueError(1)",
    "an exception of another's": "import sys\n" + FORGET + "sys.excepthook = forget\nraise ValueError(1)",
    "an exception": ENDS + "one = Ends(b'one')\nraise ValueError(1)",
    "an exception that keeps its value": FORGETS.format("del sys.last_type, sys.last_traceback"),
    "an exception that keeps its type": FORGETS.format("del sys.last_value, sys.last_traceback"),
    "an exception that keeps its way": FORGETS.format("del sys.last_type, sys.last_value"),
    "an interrupt": "import os\nos.kill(os.getpid(), 2)",
    "closed output": "import sys\nsys.stdout.close()",
    "output that fails": "import sys\nclass Fails:\n def write(self, text): pass\n def flush(self): raise OSError\n"
                         " def __repr__(self): return 'fails'\nsys.stdout = Fails()",
    "errors that say when they are flushed": "import os, sys\nclass Tells:\n"
                                             " def flush(self): os.write(1, b'flushed')\nsys.stderr = Tells()",
    "a prompt": "import os\nos.environ['PYTHONINSPECT'] = '1'\nprint(7)",
    "a prompt of its own": "import sys\nsys.ps1 = '> '",
    "no main": "import sys\nkept = sys.modules.pop('__main__')",
    "another main": "import sys\nsys.modules['__main__'] = 7",
    "no modules": "import sys\nsys.modules.clear()",
    "other builtins": "import builtins\ndef told(*what, **more):\n print('told')\n"
                      "for name in 'all any id len next type getattr isinstance'.split(): setattr(builtins, name, told)",
    "other functions of the interpreter's": "import atexit, gc, os, sys, _thread\ntold = lambda *what: print('told')\n"
                                            "gc.get_objects = gc.get_debug = os._exit = sys.gettrace = told\n"
                                            "sys.audit = sys.getallocatedblocks = atexit._ncallbacks = _thread._count = told",
    "a class that hears": "class Hears(type):\n def __eq__(self, other): print('eq')\n"
                          " def __getattribute__(self, name): print(name)\n def __hash__(self): print('hash')\n"
                          " def __instancecheck__(self, one): print('instance')\n"
                          "class One(metaclass=Hears):\n def __getattribute__(self, name): print(name)\n"
                          " __class__ = property(print)\none = One()",
}


@case()
def a_warm_program_ends_like_a_cold_one(context):
    client = context.shared().client
    warmed(client)
    for name, script in ENDINGS.items():
        cold, warm = (client.run(script, isolation=kind, outputs=["kept"]) for kind in ("cold", "warm"))
        expect.equal(warm["isolation"]["start"], "zygote", name)
        for field in ("status", "exit_code", "error_type"):
            expect.equal(warm[field], cold[field], f"{name}: {field}")
        expect.equal(*([one.get("bytes") for one in result["artifacts"]] for result in (warm, cold)), f"{name}: artifacts")
        for field in ("stdout", "stderr"):
            expect.equal(*(re.sub("0x[0-9a-f]+", "0x", result[field]) for result in (warm, cold)), f"{name}: {field}")


# Neither of them has anything to be told, and the second list could look as if it had.
SILENT = {
    "last line": "print(1)",
    "nothing": "# nothing",
    "a ring": "one = []\none.append(one)",
    "classes": "class One:\n def __init__(self): self.one = self\nkept = One(), One",
    "libraries": "import collections, dataclasses, decimal, enum, functools, itertools, json, math, random, re, typing\n"
                 "@dataclasses.dataclass\nclass One: name: str\nprint(json.dumps(dataclasses.asdict(One('a'))))",
    "an abstract class": "import collections.abc\nclass One: pass\nprint(isinstance(One(), collections.abc.Sized))",
    "a thread that has ended": "import threading\none = threading.Thread(target=print)\none.start()\none.join()\ndel one",
    "a generator that has ended": "print(list(x for x in 'ab'))",
    "a file that was closed": "with open('kept', 'w') as file: file.write('1')\ndel file",
    "an error that was caught": "try: 1 / 0\nexcept ZeroDivisionError as error: print(error)",
    "as many objects as are looked at": "kept = [[] for _ in range(9_000)]",
    "as much memory": "kept = [float(number) for number in range(150_000)]",
    "a timer that has run out": "import signal, time\nsignal.signal(signal.SIGALRM, lambda *what: None)\n"
                                "signal.setitimer(signal.ITIMER_REAL, 0.001)\ntime.sleep(0.05)",
}
TOLD = ("a ring", "a reference", "a file", "a tracer", "audits", "at exit", "SystemExit", "an exception", "a coroutine",
        "C's own output", "threads", "exit functions that are gone", "a collector that is watched", "a prompt of its own", "no dictionary")


@case()
def who_leaves_nobody_to_be_told_ends_at_once(context):
    client = with_python_manifest(context, "_exit(0)", "_exit(77)")
    for name, script in SILENT.items():
        result = client.run(script)
        expect.equal((result["exit_code"], result["isolation"]["start"]), (77, "zygote"), f"{name}: {result['stderr']}")
    for name in TOLD:
        result = client.run(ENDINGS[name])
        assert result["exit_code"] != 77, name
    for script in ("kept = [[] for _ in range(12_000)]", "kept = [float(number) for number in range(250_000)]"):
        expect.equal(client.run(script)["exit_code"], 0, "more than is looked through")


# With buffers the interpreter notices in the end that it could not write them, and says so.
@case()
def output_that_is_buffered_and_lost_is_a_failure(context):
    client = with_python_manifest(context, 'PYTHONUNBUFFERED: "1"', 'NOTHING: "1"')
    for isolation in ("cold", "warm"):
        expect.equal(client.run("import os\nprint(1)\nos.close(1)", isolation=isolation)["exit_code"], 120, isolation)
