#!/usr/bin/env python3
"""Checks the rules of coroutines and shards that need more than a word's place (tools/check_source has those): locks and
threads off the shards, operators that drop what is ready, lines and functions that do not fit a screen. Prints one line
for each breach; the exit code says whether there was one. `--longest N` prints the N longest functions instead."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "storage", "pipeline", "stages", "http", "app", "bench", "perf", "tests")
COLUMNS_MAX = 120
FUNCTION_LINES_MAX = 70

# Where a lock or a thread may stand, and why. Everywhere else shards talk by submit(), and what blocks goes to offload().
THREADS_ALLOWED = {
    "runtime/shard_thread": "the shards' own threads",
    "runtime/base/log.cpp": "the process's one sink of log lines",
    "runtime/base/metrics": "a scrape reads what other threads count",
    "storage/embedded/archive/fronts.hpp": "RocksDB's threads find the shards; held to post a message to each",
    "storage/embedded/archive/archive_store.cpp": "the same",
    "storage/embedded/archive/archive_state.hpp": "blocking calls change documents one after the other",
    "storage/embedded/archive/archive_database.cpp": "the same",
    "storage/embedded/archive/archive_retention.cpp": "the same",
    "storage/embedded/archive/manifest_copy": "RocksDB's threads renew the copy one after the other",
    "storage/embedded/disk/": "the log's thread writer, where io_uring is refused",
    "app/server.cpp": "at the end the main thread waits for all shards at once",
    "tests/": "tests block as they like",
    "perf/": "programs that measure",
    "bench/": "the load harness",
}
THREADS = re.compile(r"\bstd::(mutex|shared_mutex|recursive_mutex|timed_mutex|condition_variable\w*|thread|jthread|"
                     r"lock_guard|unique_lock|scoped_lock|shared_lock|async|future|promise|latch|barrier|"
                     r"counting_semaphore|binary_semaphore)\b")

# (what, where it may stand, why not elsewhere)
BANNED = (
    (r"awaitable_operators", (), "operator|| drops a message that is ready; use with_deadline"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", (), "do it or open an issue"),
    (r"\bsleep_for\(std::chrono|this_thread::sleep|\busleep\(|\bnanosleep\(", ("stages/worker/sandbox/limits/cgroup.cpp", "tests/", "perf/", "bench/"),  # the broker is a process of one thread
     "it blocks a shard; use runtime::sleep_for"),
    (r"\b(rand|srand|random_shuffle)\(", (), "use shard::here().random()"),
    (r"\b(gettimeofday|clock_gettime|time\(nullptr\)|time\(NULL\)|time\(0\))",
     ("runtime/base/time.cpp", "stages/worker/sandbox/limits/cgroup.cpp", "tests/", "perf/", "bench/"),
     "use shard::here().time()"),
    (r"\busing namespace (?!std::(chrono|literals|string_view_literals|chrono_literals)\b)", (), "name what you use"),
)

# Functions that are longer than FUNCTION_LINES_MAX today. A number may fall, never rise; nothing may be added.
LONG_FUNCTIONS = {
    "tests/abuse/http/smuggling_test.cpp refused_requests": 93,  # a table
}

SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$")
RAW_STRING = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"')
NOT_CODE = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*(?:.|\n)*?\*/|\'(?:\\.|[^\'\\\n])\'')


def source_files():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")
                  if path.suffix in (".hpp", ".cpp", ".ipp", ".h", ".cc") and path.is_file())


def allowed(path, places):
    return any(path.startswith(place) for place in places)


def functions(code):
    """(name, first line, length) of each function that stands in a namespace or class."""
    scopes = []       # of each open brace: whether more functions may stand inside
    head = ""         # what came since the last ; { }
    head_line = line = 1
    for character in code:
        if character == "\n":
            line += 1
        if not head.strip():
            head = ""
            head_line = line
        if character == "{":
            outside = all(scope is True for scope in scopes)
            if outside and not SCOPE.search(head) and ")" in head:
                named = re.search(r"([\w:~]+|operator\S+)\s*\(", head)
                scopes.append((named[1] if named else "?", head_line))
            else:
                scopes.append(bool(outside and SCOPE.search(head)))
            head = ""
        elif character == "}":
            ended = scopes.pop() if scopes else False
            if isinstance(ended, tuple):
                yield ended[0], ended[1], line - ended[1] + 1
            head = ""
        elif character == ";":
            head = ""
        else:
            head += character


def code_of(text):
    """The text with its comments and literals blanked, line for line."""
    return NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def check_file(path):
    text = (ROOT / path).read_text()
    code = code_of(text)
    raw = {number for found in RAW_STRING.finditer(text)
           for number in range(text.count("\n", 0, found.start()) + 1, text.count("\n", 0, found.end()) + 2)}
    for number, (line, bare) in enumerate(zip(text.splitlines(), code.splitlines()), 1):
        if len(line) > COLUMNS_MAX and number not in raw:
            yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
        if (found := THREADS.search(bare)) and not allowed(path, THREADS_ALLOWED):
            yield f"{path}:{number}: {found[0]} where a shard may come; see THREADS_ALLOWED in tools/check_style.py"
        for pattern, places, why in BANNED:
            if (found := re.search(pattern, line if "TODO" in pattern else bare)) and not allowed(path, places):
                yield f"{path}:{number}: {found[0]}: {why}"
    for name, number, length in functions(code):
        most = max(FUNCTION_LINES_MAX, LONG_FUNCTIONS.get(f"{path} {name}", 0))
        if length > most:
            yield f"{path}:{number}: {name} has {length} lines, at most {most}"


def main():
    paths = [str(path.relative_to(ROOT)) for path in source_files()]
    if sys.argv[1:2] == ["--longest"]:
        every = [(length, path, name) for path in paths
                 for name, _, length in functions(code_of((ROOT / path).read_text()))]
        for length, path, name in sorted(every, reverse=True)[:int(sys.argv[2])]:
            print(length, path, name)
        return 0
    breaches = [breach for path in paths for breach in check_file(path)]
    print("\n".join(breaches) if breaches else f"{len(paths)} files follow the rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
