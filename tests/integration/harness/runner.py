"""Finds the cases, runs them, prints one line for each."""

import argparse
import importlib
import pkgutil
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import cases

from .server import ROOT, Binary, Server, StartFailed

CASES = []


def case(needs=None):
    """Marks a function of one argument (the Context) as a case. `needs`: "limits" where cgroups must be enforceable."""

    def mark(function):
        function.needs = needs
        CASES.append(function)
        return function

    return mark


class Skipped(Exception):
    """Says why a case cannot run on this machine."""


class Context:
    """What a case gets: the binary, a server that cases share, and servers of its own."""

    def __init__(self, binary, logs):
        self.binary = binary
        self.logs = logs
        self._shared = {}
        self._own = []

    def shared(self, executor="sandbox"):
        """A running server on two shards that other cases use too: count nothing but your own executions."""
        server = self._shared.get(executor)
        if server is None or not server.running():
            if server is not None:
                server.remove()
            server = Server(self.binary, executor=executor).start()
            self._shared[executor] = server
        return server

    def own(self, **options):
        """A server that is this case's alone; not started yet, taken away after the case."""
        server = Server(self.binary, **options)
        self._own.append(server)
        return server

    def end_case(self, name, failed):
        """Keeps the servers' logs of a failed case."""
        for server in self._own + (list(self._shared.values()) if failed else []):
            if failed:
                kept = self.logs / name
                kept.mkdir(parents=True, exist_ok=True)
                for log in server.home.glob("stderr-*.log"):
                    shutil.copy(log, kept / f"{server.home.name}-{log.name}")
        for server in self._own:
            server.remove()
        self._own = []

    def end(self):
        """Stops the shared servers; the problems found while doing so, in words."""
        problems = []
        for executor, server in self._shared.items():
            if not server.running():
                problems.append(f"the shared {executor} server ended by itself: {server.stderr()[-500:]}")
            else:
                problems += stop_problems(executor, server)
            server.remove()
        self._shared = {}
        return problems


def stop_problems(executor, server):
    try:
        code = server.stop()
    except AssertionError as why:
        return [f"the shared {executor} server: {why}"]
    return [] if code == 0 else [f"the shared {executor} server ended with {code}: {server.stderr()[-500:]}"]


def probe_limits(binary):
    """True when the sandbox can enforce limits here; otherwise its servers get --sandbox-limits weak."""
    server = Server(binary, shards=1)
    try:
        server.start()
        return True
    except StartFailed as failure:
        if "sandbox-limits" not in failure.stderr:
            raise
        binary.limits_flags = ["--sandbox-limits", "weak"]
        return False
    finally:
        server.remove()


def load():
    for module in sorted(pkgutil.iter_modules(cases.__path__), key=lambda found: found.name):
        importlib.import_module(f"cases.{module.name}")


def name_of(function):
    return f"{function.__module__.removeprefix('cases.')}.{function.__name__}"


def run_one(function, context, limits):
    name = name_of(function)
    begun = time.monotonic()
    words = ""
    try:
        if function.needs == "limits" and not limits:
            raise Skipped("limits cannot be enforced on this machine")
        function(context)
        outcome = "ok"
    except Skipped as why:
        outcome, words = "skipped", str(why)
    except KeyboardInterrupt:
        context.end_case(name, failed=True)
        raise
    except Exception:  # a case may fail in any way
        outcome, words = "FAILED", traceback.format_exc()
    context.end_case(name, failed=outcome == "FAILED")
    print(f"{outcome:8}{name}  {time.monotonic() - begun:.1f} s" + (f"  ({words})" if outcome == "skipped" else ""),
          flush=True)
    if outcome == "FAILED":
        print("    " + words.rstrip().replace("\n", "\n    "), flush=True)
    return outcome


def arguments():
    parser = argparse.ArgumentParser(description="Integration cases of Weir, against the real binary.")
    parser.add_argument("-k", action="append", default=[], metavar="NAME", help="only cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--binary", default=ROOT / "build/release/weir", type=Path)
    parser.add_argument("--logs", default=ROOT / "build/integration-logs", type=Path,
                        help="where servers' logs of failed cases go")
    return parser.parse_args()


def main():
    chosen = arguments()
    load()
    selected = [function for function in CASES
                if not chosen.k or any(part in name_of(function) for part in chosen.k)]
    if chosen.list:
        print("\n".join(map(name_of, selected)))
        return 0
    if not chosen.binary.is_file():
        print(f"{chosen.binary} is not there: ./deploy/run --build-only builds it", file=sys.stderr)
        return 2
    shutil.rmtree(chosen.logs, ignore_errors=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and directories are taken away
    binary = Binary(chosen.binary.resolve())
    limits = probe_limits(binary)
    context = Context(binary, chosen.logs)
    counts = {"ok": 0, "skipped": 0, "FAILED": 0}
    try:
        for function in selected:
            counts[run_one(function, context, limits)] += 1
    finally:
        problems = context.end()
    for problem in problems:
        print(f"FAILED  {problem}")
    if counts["FAILED"]:
        print(f"Servers' logs of failed cases: {chosen.logs}")
    failed = counts["FAILED"] + len(problems)
    if counts["skipped"]:
        print(f"{counts['skipped']} skipped")
    print(f"{counts['ok']} passed, {failed} failed")
    return 1 if failed or not counts["ok"] else 0
