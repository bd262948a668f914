"""The load harness against the real binary, and against servers that lie."""

import concurrent.futures
import json
import re
import signal
import subprocess
import time

from harness import expect, json_schema
from harness.fake_server import FakeServer
from harness.runner import case
from harness.server import ROOT, clean_environment

QUICK = ["--quiet"]


def bench(context, *arguments, server=None, url=None, code=0, timeout_s=90.0):
    """Runs `weir bench`, checks its exit code, gives the report of -o json."""
    where = ["--server", server.url if server else url] if server or url else []
    done = context.binary.cli("bench", *arguments, *QUICK, *where, "-o", "json", timeout_s=timeout_s)
    expect.equal(done.returncode, code, f"weir bench {' '.join(map(str, arguments))}: {done.stderr}{done.stdout[:3000]}")
    return json.loads(done.stdout) if done.stdout.startswith("{") else None


@case()
def rate_measures_four_clocks_and_checks_every_event(context):
    server = context.shared("noop")
    report = bench(context, "rate", "--rate", 200, "-d", "2s", "--seed", 7, "--lateness-max", 500, server=server)
    expect.equal(report["verdict"], "ok")
    counts = report["counts"]
    assert 250 < counts["planned"] < 550, counts
    expect.equal(counts["planned"], counts["accepted"])
    expect.equal(counts["planned"], counts["ended"])
    assert counts["checked"] >= counts["ended"] and counts["events"] >= 6 * counts["ended"], counts
    expect.equal(report["ends"], {"completed": counts["ended"]})
    for clock in ("accepted", "accepted_corrected", "queued", "ran", "seen", "whole", "whole_corrected", "result",
                  "lateness"):
        expect.equal(report["clocks"][clock]["count"], counts["planned"], clock)
    figures = report["figures"]
    assert figures["whole.p50_ms"] >= figures["accepted.p50_ms"] > 0, figures
    assert figures["harness.cpu_ratio"] > 0 and figures["server.cpu_us_per_execution"] > 0, figures
    assert report["clock_difference"]["low_us"] <= 0 <= report["clock_difference"]["high_us"], report["clock_difference"]


@case()
def users_run_real_programs_and_compare_what_they_print(context):
    server = context.shared()
    report = bench(context, "users", "--users", 3, "--think", "50ms", "-d", "3s", "--lateness-max", 1000,
                   "--reconnect", 1, "--repeat", 1, server=server)
    expect.equal(report["verdict"], "ok")
    # How many depends on what else this machine does.
    counts = report["counts"]
    assert counts["ended"] == counts["accepted"] == counts["repeated"] > 0, counts
    assert "weir {{n}}" in report["expectation"], report["expectation"]
    own = server.home / "own.sh"
    own.write_text("echo $1-{{n}}; exit 3")
    bench(context, "users", "--users", 1, "--think", "10ms", "-d", "1s", "--script", own, "--lang", "bash", "--arg", "x",
          "--expect", "x-{{n}}\n", "--expect-status", "failed", "--lateness-max", 1000, server=server)
    wrong = bench(context, "users", "--users", 1, "--think", "10ms", "-d", "1s", "--script", own, "--lang", "bash",
                  "--expect-status", "completed", "--lateness-max", 1000, server=server, code=1)
    expect.equal(wrong["verdict"], "wrong")
    assert wrong["oracle"]["findings"]["result_wrong"] > 0, wrong["oracle"]


@case()
def the_end_may_be_watched_in_three_ways(context):
    server = context.shared("noop")
    for how in ("stream", "wait", "none"):
        report = bench(context, "rate", "--rate", 100, "-d", "1s", "--watch", how, "--lateness-max", 500, "--audit", 20
                       if how != "none" else "all", server=server)
        expect.equal(report["counts"]["ended"], report["counts"]["planned"], how)
        assert report["counts"]["audited"] > 0, (how, report["counts"])
        expect.equal(report["clocks"]["accepted"]["count"] > 0, how != "wait", how)
        expect.equal(report["clocks"]["whole"]["count"] > 0, how != "none", how)


@case()
def thresholds_set_the_exit_code(context):
    server = context.shared("noop")
    kept = bench(context, "rate", "-d", "1s", "--lateness-max", 500, "--fail-if", "accepted.p99_ms>60000",
                 "--fail-if", "errors.count>0", server=server)
    expect.equal([one["broken"] for one in kept["thresholds"]], [False, False])
    broken = bench(context, "rate", "-d", "1s", "--lateness-max", 500, "--fail-if", "accepted.p50_ms>0",
                   server=server, code=1)
    expect.equal(broken["verdict"], "failed")
    assert broken["thresholds"][0]["broken"] and broken["thresholds"][0]["value"] > 0, broken["thresholds"]
    bench(context, "rate", "--fail-if", "nonsense>1", server=server, code=2)


@case()
def a_busy_or_late_harness_calls_its_result_invalid(context):
    server = context.shared("noop")
    busy = bench(context, "rate", "--rate", 500, "-d", "2s", "--cpu-max", 0.01, "--lateness-max", 5000, server=server,
                 code=6)
    expect.equal(busy["verdict"], "invalid")
    full = bench(context, "rate", "--rate", 2000, "-d", "1s", "--open-max", 1, "--lateness-max", 5000, server=server,
                 code=6)
    assert full["counts"]["dropped"] > 0 and "--open-max" in full["reasons"][0], full["reasons"]


@case()
def an_absent_server_is_7(context):
    bench(context, "rate", "-d", "1s", "--timeout", "1s", url="http://127.0.0.1:1", code=7)


@case()
def monkeys_get_the_statuses_of_the_contract(context):
    server = context.shared("noop")
    report = bench(context, "monkey", "--users", 8, "-d", "3s", "--seed", 11, server=server)
    expect.equal(report["verdict"], "ok")
    actions = report["actions"]
    for name in ("post_valid", "post_invalid", "repeat_key", "reuse_key", "race_one_key", "cancel", "follow_some", "list",
                 "read_result", "resume_wrongly", "ask_for_nothing"):
        assert actions.get(name, 0) > 0, actions
    expect.equal(report["counts"]["ended"], report["counts"]["accepted"])
    # Slow programs are there to be cancelled.
    slow = context.own(executor="noop:300").start()
    report = bench(context, "monkey", "--users", 4, "-d", "3s", "--think", "5ms", server=slow)
    expect.equal(report["verdict"], "ok")
    assert report["ends"].get("cancelled", 0) > 0, report["ends"]


@case()
def step_finds_where_a_condition_breaks(context):
    server = context.shared("noop")
    # The harness can do this; a CPU of its own is not what is tested here.
    quick = ["-d", "1s", "--lateness-max", 1000, "--cpu-max", 1]
    report = bench(context, "step", "--from", 20, "--to", 500, "--factor", 4, "--until", "rate.planned_per_s>150", *quick,
                   server=server)
    expect.equal(report["verdict"], "ok")
    knee = report["figures"]["knee.rate_per_s"]
    assert 80 <= knee < 250, report["figures"]
    rates = [step["rate"] for step in report["steps"]]
    expect.equal(rates, sorted(rates))
    assert any(step["broken"] == ["rate.planned_per_s>150"] for step in report["steps"]), report["steps"]
    open_end = bench(context, "step", "--from", 20, "--to", 50, "--factor", 2, "--until", "rate.planned_per_s>1000", *quick,
                     server=server)
    expect.equal(open_end["figures"]["knee.rate_per_s"], 40)
    assert any("lies above" in note for note in open_end["notes"]), open_end["notes"]
    # What the harness cannot do is no knee of the server.
    limited = bench(context, "step", "--from", 300, "--to", 300, "-d", "1s", "--lateness-max", 1000, "--cpu-max", 0.01,
                    server=server, code=6)
    assert "harness was busy" in limited["harness_limit"], limited["harness_limit"]


@case()
def soak_reports_each_period_and_its_drift(context):
    server = context.shared("noop")
    report = bench(context, "soak", "--rate", 50, "-d", "9s", "--report-every", "3s", "--drift-max", 1000,
                   "--lateness-max", 500, server=server)
    expect.equal(report["verdict"], "ok")
    assert 2 <= len(report["periods"]["at_s"]) <= 3, report["periods"]
    assert all(value > 0 for value in report["periods"]["server_rss_mib"]), report["periods"]
    assert 0.5 < report["figures"]["drift.server_rss_ratio"] < 5, report["figures"]
    expect.equal([one["condition"].split(">")[0] for one in report["thresholds"]],
                 ["drift.latency_p99_ratio", "drift.server_rss_ratio"])


@case()
def the_oracle_finds_each_lie(context):
    """A server that lies about every third execution, and one that does not."""
    load = ["rate", "--rate", 60, "-d", "1s", "--expect-nothing", "--lateness-max", 1000, "--repeat", 0.5, "--reconnect",
            0.3, "--drain", "2s", "--audit", "all"]
    with FakeServer() as honest:
        report = bench(context, *load, url=honest.url)
        expect.equal(report["verdict"], "ok", report["oracle"])
    lies = (("drop_event", "event_gap"), ("end_twice", "ended_twice"), ("repeat_event", "event_twice"), ("lose", "lost"),
            ("two_for_a_key", "key_gave_two"), ("one_id_for_all", "id_given_twice"),
            ("unmarked_replay", "replay_unmarked"), ("wrong_output", "result_wrong"), ("no_result", "result_missing"),
            ("change_event", "event_changed"), ("never_end", "never_ended"))

    def found(lie, kind):
        with FakeServer(lie) as liar:
            report = bench(context, *load, url=liar.url, code=1)
        expect.equal(report["verdict"], "wrong", lie)
        assert kind in report["oracle"]["findings"], (lie, report["oracle"])
        assert report["oracle"]["examples"], lie

    with concurrent.futures.ThreadPoolExecutor(6) as beside_each_other:
        for done in [beside_each_other.submit(found, *one) for one in lies]:
            done.result()


@case()
def a_server_that_stands_still_shows_in_the_corrected_clock(context):
    server = context.own(executor="noop").start()
    process = start(context, server, "rate", "--rate", 100, "--arrivals", "fixed", "-d", "4s", "--lateness-max", 1000,
                    "--connections", 4)
    time.sleep(2)
    server.signal(signal.SIGSTOP)
    time.sleep(1)
    server.signal(signal.SIGCONT)
    report = finished(process)
    figures = report["figures"]
    # At most four posts were under way when it stopped; about a hundred were due meanwhile.
    assert figures["accepted_corrected.p90_ms"] > 200, figures
    assert figures["accepted.p90_ms"] < 200, figures
    assert figures["rate.planned_per_s"] == 100, figures


def start(context, server, *arguments):
    """`weir bench` beside what the case does."""
    command = [str(context.binary.path), "bench", *map(str, arguments), *QUICK, "--server", server.url, "-o", "json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())


def finished(process, code=0):
    out, err = process.communicate(timeout=90)
    expect.equal(process.returncode, code, err.decode()[-1000:] + out.decode()[:2000])
    return json.loads(out)


@case()
def a_starved_harness_is_invalid(context):
    process = start(context, context.shared("noop"), "rate", "--rate", 200, "-d", "3s")
    time.sleep(1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.7)
    process.send_signal(signal.SIGCONT)
    report = finished(process, code=6)
    expect.equal(report["verdict"], "invalid")
    assert "late" in report["reasons"][0], report["reasons"]


@case()
def an_interrupt_ends_the_load_and_still_reports(context):
    process = start(context, context.shared("noop"), "rate", "--rate", 50, "-d", "60s", "--lateness-max", 1000)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    report = finished(process)
    assert 1 < report["seconds"] < 30 and report["counts"]["accepted"] > 20, report["counts"]
    assert any("interrupted" in note for note in report["notes"]), report["notes"]


@case()
def a_ledger_is_verified_after_the_server_was_killed(context):
    server = context.own(executor="noop:50").start()
    book = server.home / "ledger.jsonl"
    process = start(context, server, "rate", "--rate", 200, "-d", "3s", "--ledger", book, "--drain", "2s", "--timeout", "1s",
                    "--lateness-max", 1000)
    time.sleep(2)
    server.kill()
    broken = finished(process, code=1)
    expect.equal(broken["verdict"], "failed", "a dead server is no liar")
    verify = ["verify", "--ledger", str(book), "-o", "json"]
    absent = context.binary.cli("bench", *verify, "--server", server.url)
    expect.equal(absent.returncode, 7, absent.stderr)
    server.start(shards=1)
    done = context.binary.cli("bench", *verify, server=server)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    report = json.loads(done.stdout)
    assert report["accepted"] >= broken["counts"]["accepted"] > 100 and report["undecided"] > 0, report
    expect.equal(report["ended"], report["accepted"] + report["undecided"])
    # A ledger that says otherwise is not kept: another end, other bytes, an execution that nobody knows.
    lines = book.read_text().splitlines()
    lied = server.home / "lied.jsonl"
    for before, after, kind in (('"status":"completed"', '"status":"failed"', "result_differs"),
                                ('"digest":"', '"digest":"g', "event_changed"), ('"id":"0', '"id":"1', "lost")):
        at = max(i for i, line in enumerate(lines) if before in line)
        changed = lines[:at] + [lines[at].replace(before, after)] + lines[at + 1:]
        lied.write_text("\n".join(changed) + "\n")
        done = context.binary.cli("bench", "verify", "--ledger", str(lied), "-o", "json", server=server)
        expect.equal(done.returncode, 1, done.stdout + done.stderr)
        assert kind in json.loads(done.stdout)["findings"], (kind, done.stdout)


@case()
def reports_follow_their_schema_and_are_merged_and_compared(context):
    server = context.shared("noop")
    schema = json.loads((ROOT / "docs/bench-report.schema.json").read_text())
    home = context.own().home
    files = [home / name for name in ("a.json", "b.json")]
    page = home / "page.html"
    for path in files:
        bench(context, "rate", "--rate", 150, "-d", "2s", "--lateness-max", 500, "--json", path, "--html", page,
              "--fail-if", "errors.count>0", server=server)
    reports = [json.loads(path.read_text()) for path in files]
    reports.append(bench(context, "step", "--from", 50, "--to", 60, "-d", "1s", "--lateness-max", 500, server=server))
    reports.append(bench(context, "monkey", "--users", 2, "-d", "1s", server=server))
    for report in reports:
        expect.equal(list(json_schema.mistakes(report, schema)), [], report["mode"])
    broken = {**reports[0], "verdict": "fine", "surprise": 1}
    expect.equal(len(list(json_schema.mistakes(broken, schema))), 2)

    merged = tool(context, "merge", *files)
    expect.equal(list(json_schema.mistakes(merged, schema)), [])
    for clock in ("accepted", "whole", "lateness"):
        expect.equal(merged["clocks"][clock]["count"], sum(one["clocks"][clock]["count"] for one in reports[:2]))
        expect.equal(merged["clocks"][clock]["sum"], sum(one["clocks"][clock]["sum"] for one in reports[:2]))
    expect.equal(tool(context, "merge", files[0])["clocks"], reports[0]["clocks"])

    expect.equal(tool(context, "compare", files[0], files[0])["verdict"], "same")
    files[1].write_text(files[1].read_text().replace('"verdict": "ok"', '"verdict": "wrong"'))
    expect.equal(tool(context, "compare", *files, code=1)["verdict"], "refused")
    tool(context, "report", files[0], "--fail-if", "accepted.p50_ms>0", code=1)

    text = page.read_text()
    assert text.count("<svg") >= 6 and "Latency by percentile" in text and "verdict ok" in text, text[:500]
    assert not re.search(r"(src|href)=|url\(|@import|<script|https?://(?!127\.0\.0\.1)", text), "something from elsewhere"


def tool(context, *arguments, code=0):
    done = context.binary.cli("bench", *arguments, "-o", "json")
    expect.equal(done.returncode, code, f"{arguments}: {done.stdout[:1000]}{done.stderr}")
    return json.loads(done.stdout)


@case()
def processes_share_a_load_and_merge_what_they_measured(context):
    server = context.shared("noop")
    report = bench(context, "rate", "--rate", 200, "--arrivals", "fixed", "-d", "2s", "--processes", 2, "--lateness-max",
                   500, "--seed", 3, server=server)
    expect.equal((report["processes"], report["counts"]["planned"], report["seed"]), (2, 400, 3))
    expect.equal(report["clocks"]["whole"]["count"], 400)
    report = bench(context, "users", "--users", 5, "--think", "20ms", "-d", "1s", "--shards", 2, "--lateness-max", 500,
                   server=server)
    assert report["counts"]["ended"] == report["counts"]["planned"] > 20, report["counts"]


@case()
def progress_is_plain_lines_when_it_is_piped(context):
    server = context.shared("noop")
    done = context.binary.cli("bench", "rate", "--rate", 20, "-d", "2s", "--progress-every", "1s", "--lateness-max", 500,
                              server=server)
    expect.equal(done.returncode, 0, done.stdout + done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith("rate ") and "\x1b" not in line for line in lines), done.stderr
    assert done.stdout.rstrip().endswith("OK") and "POST due → 202" in done.stdout, done.stdout
    for arguments in ([], ["rate"], ["compare"], ["verify"], ["monkey"]):
        helped = context.binary.cli("bench", *arguments, "--help")
        expect.equal(helped.returncode, 0)
        assert "Usage: weir bench" in helped.stdout, helped.stdout[:300]
