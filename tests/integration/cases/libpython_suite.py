"""Programs nobody here wrote: modules of Python's own test suite (Debian's libpython3.11-testsuite), as executions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import expect
from harness.runner import Skipped, case

SUITE = Path("/usr/lib/python3.11/test")
SCRIPT = """import runpy, sys
sys.argv = ["test", sys.argv[1]]
runpy.run_module("test", run_name="__main__")
"""
MODULES = """test_abc test_array test_base64 test_binascii test_bisect test_bool test_calendar test_cmath test_colorsys
test_collections test_configparser test_copy test_csv test_dataclasses test_deque test_dict test_difflib test_enum
test_fnmatch test_fractions test_functools test_generators test_grammar test_graphlib test_hashlib test_heapq test_html
test_ipaddress test_itertools test_json test_list test_math test_operator test_pprint test_queue test_random test_re
test_sched test_set test_shlex test_statistics test_string test_struct test_textwrap test_tuple test_unicode
test_zlib""".split()


def all_modules_pass(context, isolation, starts):
    if not SUITE.is_dir():
        raise Skipped("libpython3.11-testsuite is not installed")
    client = context.shared().client

    def run(module):
        limits = {"wall_ms": 240_000, "cpu_ms": 240_000, "processes": 256}
        identity = client.accept(SCRIPT, args=[module], isolation=isolation, limits=limits)
        return module, client.wait(identity, 300)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(run, MODULES))
    failures = []
    began = {result["isolation"]["start"] for _, result in outcomes}
    assert began <= starts and (began & {"zygote"}) == (starts & {"zygote"}), began
    for module, result in outcomes:
        passed = result["status"] == "completed" and "\n1 test OK.\n" in result["stdout"]
        seconds = (result["resource_usage"] or {}).get("execution_time_wall_seconds", 0)
        print(f"    {'passes' if passed else 'FAILS '}  {module}  {seconds:.1f} s", flush=True)
        if not passed:
            failures.append(f"{module}: {result['status']} {result['error_type']}\n{result['stdout'][-1500:]}"
                            f"{result['stderr'][-1500:]}")
    assert len(outcomes) - len(failures) >= 20, "\n".join(failures)
    expect.equal(failures, [], "modules that fail")


@case()
def modules_of_pythons_test_suite_pass(context):
    all_modules_pass(context, "cold", {"cold"})


@case()
def modules_of_pythons_test_suite_pass_in_a_forked_interpreter(context):
    all_modules_pass(context, "warm", {"cold", "zygote"})
