"""What the programs of this folder share: servers beside one another in one run, their CPU time, load by wrk, and the
disk's own speed. Figures are ratios of medians over interleaved rounds; only those say something on another machine."""

import json
import mmap
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
WEIR = os.path.join(ROOT, "build", "release", "weir")
FAN_OUT_CLIENTS = os.path.join(ROOT, "build", "release", "perf", "perf_fan_out_clients")

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_cpu_affinity {mask};
worker_rlimit_nofile 19000; {modules}
events {{ worker_connections 18000; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{{"status":"ok","answer":"constant"}}'; }} {locations} }}
}}
"""

POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
{headers}
wrk.body = '{{"script":"print(1)","lang":"python"}}'
{request}
local bad = 0
function response(status)
  if status ~= 202 and status ~= 200 then
    bad = bad + 1
    if bad < 4 then io.stderr:write("status " .. status .. "\\n") end
  end
end
"""


def cpus():
    """The CPU of the servers, and that of their clients."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("two CPUs are needed: one for the servers, one for their clients")
    return usable[-1], usable[0]


def median(values):
    return statistics.median(values)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def children(pid):
    out = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            kids = open(f"/proc/{pid}/task/{task}/children").read().split()
        except OSError:
            continue
        for kid in kids:
            out += [int(kid)] + children(int(kid))
    return out


def cpu_seconds(pid):
    """Of all threads of a process and of the processes that it started."""
    total = 0
    for one in [pid] + children(pid):
        try:
            fields = open(f"/proc/{one}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Folder:
    """On the disk that is measured, and gone afterwards."""

    def __init__(self):
        self.path = os.path.abspath(tempfile.mkdtemp(prefix="weir-perf-", dir="."))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Process:
    """A server on a CPU of its own, and what it spends."""

    def __init__(self, command, cpu=None, environment=None, **more):
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        self.process = subprocess.Popen(command, env=environment, **more)
        self.pid = self.process.pid

    def cpu_s(self):
        return cpu_seconds(self.pid)

    def written_bytes(self):
        """What it has caused to be written to disks."""
        return int(re.search(r"^write_bytes: (\d+)", open(f"/proc/{self.pid}/io").read(), re.M)[1])

    def resident_kib(self):
        return int(re.search(r"VmRSS:\s*(\d+) kB", open(f"/proc/{self.pid}/status").read())[1])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Weir(Process):
    def __init__(self, data, *flags, binary=WEIR, cpu=None, shards=1, executor="noop"):
        os.makedirs(data, exist_ok=True)
        log = open(os.path.join(data, "..", f"weir-{os.path.basename(data)}.log"), "w")
        begun = time.perf_counter()
        super().__init__([binary, "serve", "--listen", "127.0.0.1:0", "--data", data, "--shards", str(shards),
                          "--executor", executor, *flags], cpu, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        self.ready_ms = 1000 * (time.perf_counter() - begun)
        if not line.startswith("listening on "):
            sys.exit(f"{binary} did not start: {line!r}, see {log.name}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.execute = self.url + "/api/v1/execute"

    def post(self, body):
        request = urllib.request.Request(self.execute, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=30))["execution_id"]


class Nginx(Process):
    """One worker that answers a constant."""

    def __init__(self, folder, cpu, modules="", locations=""):
        self.port = free_port()
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w") as out:
            out.write(NGINX.format(folder=folder, port=self.port, mask=format(1 << cpu, "b"), modules=modules,
                                   locations=locations))
        super().__init__([shutil.which("nginx") or "/usr/sbin/nginx", "-c", config])
        self.url = f"http://127.0.0.1:{self.port}/"
        time.sleep(0.3)


def post_script(folder, wait=False, request="", name="post.lua"):
    """A script for wrk that posts executions; `request` may be a function of its own, in Lua."""
    path = os.path.join(folder, name)
    with open(path, "w") as out:
        out.write(POST.format(headers='wrk.headers["Prefer"] = "wait=10"' if wait else "", request=request))
    return path


def wrk(url, cpu, seconds, connections, script=None):
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", script]
    done = subprocess.run(command + [url], capture_output=True, text=True, check=True)
    out = done.stdout
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def latency_ms(part):
        found = re.search(part + r"%\s+([\d.]+)(us|ms|s)", out)
        return float(found[1]) * unit[found[2]]

    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if errors:
        print(f"  warning: {errors[1]} answers were no success; {done.stderr.strip()}")
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "count": int(re.search(r"(\d+) requests in", out)[1]), "p50_ms": latency_ms("50"), "p99_ms": latency_ms("99")}


def load(server, url, cpu, seconds, connections, script=None):
    """wrk's figures, with the server's CPU time for each answer."""
    before = server.cpu_s()
    out = wrk(url, cpu, seconds, connections, script)
    out["cpu_us"] = (server.cpu_s() - before) / max(1, out["count"]) * 1e6
    return out


def durable_writes_ms(folder, seconds):
    """The disk's own answer: overwrites of 4 KiB with O_DIRECT and O_DSYNC, one at a time; each one's time."""
    path = os.path.join(folder, "limit")
    block = mmap.mmap(-1, 4096)
    with open(path, "wb") as zeros:
        zeros.write(b"\0" * (4 << 20))
        os.fsync(zeros.fileno())
    file = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
    out = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        os.pwrite(file, block, len(out) % 1024 * 4096)
        out.append((time.perf_counter() - begun) * 1e3)
    os.close(file)
    os.unlink(path)
    return out
