"""The load harness against the real binary, and against servers that lie."""

import json

from harness import expect
from harness.runner import case

QUICK = ["--quiet", "--drain", "10s"]


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
                   "--reconnect", 0.5, "--repeat", 0.5, server=server)
    expect.equal(report["verdict"], "ok")
    assert report["counts"]["ended"] > 3 and report["counts"]["repeated"] > 0, report["counts"]
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
