"""Starts, stops and kills the real binary."""

import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .client import Client

ROOT = Path(__file__).resolve().parents[3]
PRCTL = ctypes.CDLL(None).prctl
PR_SET_PDEATHSIG = 1
START_S = 90.0
STOP_S = 30.0


class StartFailed(Exception):
    """The server ended, or was not ready in time, instead of printing its line."""

    def __init__(self, message, exit_code, stderr):
        super().__init__(f"{message}; exit code {exit_code}; its standard error ends:\n{stderr[-2000:]}")
        self.exit_code = exit_code
        self.stderr = stderr


def die_with_the_runner():
    """Between fork and exec: whatever ends the runner ends its servers too."""
    PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)


class Binary:
    """The weir under test, and what this machine lets it do."""

    def __init__(self, path):
        self.path = Path(path)
        self.limits_flags = []  # filled by the runner's probe where limits cannot be enforced

    def cli(self, *arguments, server=None, stdin=None, timeout_s=60.0, environment=None, text=True):
        """Runs a client command to its end."""
        command = [str(self.path), *map(str, arguments)]
        if server is not None:
            command += ["--server", server.url]
        return subprocess.run(command, input=stdin, capture_output=True, text=text, timeout=timeout_s,
                              env=clean_environment(environment), check=False)


def clean_environment(extra=None):
    """The environment without what configures Weir by accident."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    kept.update(extra or {})
    return kept


class Server:
    """One data directory and the processes that serve it, one after the other."""

    def __init__(self, binary, data=None, executor="sandbox", shards=2, flags=(), environment=None, file_limit=None):
        self.binary = binary
        self.home = Path(tempfile.mkdtemp(prefix="weir-integration-"))
        self.data = Path(data) if data else self.home / "data"
        self.executor = executor
        self.shards = shards
        self.flags = list(flags)
        self.environment = environment
        self.file_limit = file_limit  # of open files, soft and hard
        self.process = None
        self.url = None
        self.client = None
        self.starts = 0

    def command(self, extra=()):
        flags = ["--executor", self.executor]
        if self.executor == "sandbox":
            flags += self.binary.limits_flags
        return [str(self.binary.path), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data), "--shards",
                str(self.shards), *flags, *self.flags, *extra]

    def start(self, extra=(), shards=None):
        """Returns when the server has printed its line and /readyz answers 200."""
        assert self.process is None, "it runs already"
        if shards is not None:
            self.shards = shards
        self.starts += 1
        self.log_path = self.home / f"stderr-{self.starts}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, cwd=self.home, start_new_session=True,
                                            env=clean_environment(self.environment), preexec_fn=self._before_exec)
        line = self._first_line()
        found = re.fullmatch(r"listening on (http://([0-9.]+):([0-9]+))", line)
        if not found:
            code = self._give_up()
            raise StartFailed(f"expected the line `listening on …`, got {line!r}", code, self.stderr())
        self.url = found[1]
        self.client = Client(found[2], int(found[3]))
        self._until_ready()
        return self

    def _before_exec(self):
        die_with_the_runner()
        if self.file_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.file_limit, self.file_limit))

    def _first_line(self):
        lines = []
        reader = threading.Thread(target=lambda: lines.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_S)
        return lines[0].decode().rstrip("\n") if lines else ""

    def _until_ready(self):
        deadline = time.monotonic() + START_S
        while True:
            try:
                if self.client.request("GET", "/readyz", fresh=True).status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                code = self._give_up()
                raise StartFailed("it listens, but /readyz does not answer 200", code, self.stderr())
            time.sleep(0.01)

    def _give_up(self):
        try:
            code = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "none (killed)"
        self._forget()
        return code

    def _forget(self):
        self.process.stdout.close()
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout_s=STOP_S):
        """The exit code; fails the case when it does not end."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {timeout_s} s") from None
        self._forget()
        return code

    def stop(self, timeout_s=STOP_S):
        """SIGTERM and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self):
        """SIGKILL, as a crash: nothing of the server gets a last word."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self._forget()

    def restart(self, shards=None, hard=False):
        if hard:
            self.kill()
        else:
            code = self.stop()
            assert code == 0, f"SIGTERM ended it with {code}; its standard error ends:\n{self.stderr()[-2000:]}"
        return self.start(shards=shards)

    def stderr(self):
        return self.log_path.read_text(errors="replace")

    def stuck(self):
        """What `weir admin stuck -o json` lists."""
        import json

        done = self.binary.cli("admin", "stuck", "-o", "json", server=self)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        listed = json.loads(done.stdout or "[]")
        return listed["items"] if isinstance(listed, dict) else listed

    def remove(self):
        """Ends whatever runs, and takes the directory away."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
