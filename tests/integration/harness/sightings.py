"""What clients saw of a server, as a ledger that the checkers of the simulation judge too (tests/checkers/ledger.hpp)."""

import json
import subprocess
import threading

from .runner import Skipped
from .server import ROOT


def checker():
    for preset in ("release", "dev", "asan"):
        path = ROOT / f"build/{preset}/tests/checkers/check_ledger"
        if path.is_file():
            return path
    raise Skipped("check_ledger is not built")


class Sightings:
    """Written as it is seen; the file lies beside the server's data. Any thread."""

    def __init__(self, home):
        self.checker = checker()
        self.path = home / "sightings.jsonl"
        self.lock = threading.Lock()
        self.file = open(self.path, "w", encoding="utf-8")

    def _tell(self, what, **fields):
        line = json.dumps({"what": what, **fields})
        with self.lock:
            self.file.write(line + "\n")

    def acknowledged(self, identity, key=None):
        self._tell("acknowledged", id=identity, **({"key": key} if key is not None else {}))

    def not_found(self, identity, asked_for):
        self._tell("not_found", id=identity, asked_for=asked_for)

    def ended(self, identity, status):
        self._tell("ended", id=identity, status=status)

    def delivered(self, identity, events, after=0):
        """Events of one subscriber, in the order in which they came."""
        for event in events:
            if event.number is None:
                continue
            self._tell("delivered", id=identity, after=after, number=event.number, attempt=event.body["attempt"],
                       type=event.type, data=event.data.decode())
            after = event.number

    def judge(self, at_rest):
        """Holds the promises against everything so far. `at_rest`: whatever was acknowledged must have ended."""
        if at_rest:
            self._tell("at_rest")
        with self.lock:
            self.file.flush()
        done = subprocess.run([self.checker, self.path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, "promises are broken:\n" + done.stdout[-3000:] + done.stderr
        return done.stdout.splitlines()[-1]
