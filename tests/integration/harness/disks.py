"""Disks that fail: a small file system of one's own, and system calls that answer with errors."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .runner import Skipped

EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_WITHOUT_JOURNAL = 2  # what was not synced is lost, as with the power


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def needs(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed")


class SmallDisk:
    """An ext4 on a loop device, mounted at `path` until the end of the `with`."""

    def __init__(self, home, megabytes):
        needs("mkfs.ext4", "mount", "umount", "fsfreeze")
        if os.geteuid() != 0:
            raise Skipped("only root mounts a file system")
        self.image = Path(home) / "disk.img"
        self.path = Path(home) / "disk"
        self.mounted = False
        self.frozen = False
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        made = run("mkfs.ext4", "-q", "-m", "0", self.image)
        assert made.returncode == 0, made.stderr
        self.path.mkdir()

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        self.thaw()
        self.unmount()

    def mount(self):
        done = run("mount", "-o", "loop", self.image, self.path)
        if done.returncode != 0:
            raise Skipped(f"nothing can be mounted here: {done.stderr.strip()}")
        self.mounted = True

    def unmount(self):
        deadline = time.monotonic() + 20
        while self.mounted:
            done = run("umount", self.path)
            self.mounted = done.returncode != 0
            assert not self.mounted or time.monotonic() < deadline, done.stderr
            time.sleep(0.1 if self.mounted else 0)

    def die(self):
        """From now on each call to it fails with EIO, until it is mounted anew; what was not synced is lost."""
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, SHUTDOWN_WITHOUT_JOURNAL.to_bytes(4, "little"))
        except OSError as why:
            raise Skipped(f"this kernel does not shut a file system down: {why}") from why
        finally:
            os.close(root)

    def freeze(self):
        """Writes wait from now on."""
        done = run("fsfreeze", "-f", self.path)
        if done.returncode != 0:
            raise Skipped(f"the file system cannot be frozen: {done.stderr.strip()}")
        self.frozen = True

    def thaw(self):
        if self.frozen:
            done = run("fsfreeze", "-u", self.path)
            assert done.returncode == 0, done.stderr
            self.frozen = False

    def free_bytes(self):
        return os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize


def threads_of(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def is_traced(thread):
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{thread}/status").read_text().splitlines():
            if line.startswith("TracerPid:"):
                return int(line.split()[1]) != 0
    return True  # it has ended


@contextlib.contextmanager
def failing_calls(pid, what):
    """Within the `with`, system calls of a running process fail: what is "pwritev2:error=EIO"."""
    needs("strace")
    call = what.partition(":")[0]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={what}",
                               "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not all(map(is_traced, threads_of(pid))):
            if tracer.poll() is not None:
                raise Skipped(f"strace cannot attach here: {tracer.stderr.read().strip()}")
            assert time.monotonic() < deadline, "strace did not attach in time"
            time.sleep(0.01)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        tracer.stderr.close()
