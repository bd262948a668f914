"""Programs nobody here wrote: the test programs that other languages bring along, as executions in boxes. Ruby's are those of its
bundled libraries (libruby3.1), Go's those of the language itself (golang-1.19-src)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import expect
from harness.runner import Skipped, case

GEMS = Path("/usr/lib/ruby/gems/3.1.0/gems")
RUBY = """file = ARGV.shift
$LOAD_PATH.unshift(*ARGV)
ARGV.clear
load file
"""
GO = Path("/usr/share/go-1.19/test")
GO_PROGRAMS = """235 append closedchan complit const convert copy ddd defer divide escape float_lit func gc initialize intcvt
literal method nil range recover1 reorder sizeof""".split()


def all_pass(context, lang, programs, least, passed, **limits):
    """`programs`: (name, script, args), and how many there are at least. Every one has to end well; `passed` looks at what it
    printed."""
    client = context.shared().client
    if lang not in client.get("/api/v1/k8s-limits").json()["supported_runtimes"]:
        raise Skipped(f"{lang} is not installed")

    def run(program):
        name, script, args = program
        identity = client.accept(script, lang=lang, args=args,
                                 limits={"wall_ms": 240_000, "cpu_ms": 120_000, **limits})
        return name, client.wait(identity, 300)

    failures = []
    with ThreadPoolExecutor(4) as pool:
        for name, result in pool.map(run, programs):
            if result["status"] != "completed" or not passed(result):
                failures.append(f"{name}: {result['status']} {result['error_type']}\n{result['stdout'][-1000:]}"
                                f"{result['stderr'][-1000:]}")
    print(f"    {len(programs) - len(failures)} of {len(programs)} pass", flush=True)
    expect.equal(failures, [], "programs that fail")
    assert len(programs) >= least, f"only {len(programs)} programs"


@case()
def test_programs_of_ruby_pass(context):
    # Those of a few seconds together; on a busy machine boxes have only what it leaves over.
    names = """1.0 2.0 accessor atom content image inherit itunes maker_0.9 maker_1.0 maker_2.0 maker_content maker_dc
    maker_image maker_slash maker_sy maker_taxo parser setup_maker_0.9 slash syndication taxonomy to_s trackback""".split()
    files = [file for name in names for file in GEMS.glob(f"rss-*/test/test_{name}.rb")]
    # The security update 3.1.7 brings minitest's alone.
    least = len(names) if files else 6
    files += GEMS.glob("minitest-*/test/minitest/test_*.rb")
    if not files:
        raise Skipped("libruby3.1 has brought no tests")
    folders = [str(folder) for folder in (*GEMS.glob("rss-*/test"), *GEMS.glob("minitest-*/test"))]
    all_pass(context, "ruby", [(file.name, RUBY, [str(file), *folders]) for file in files], least,
             lambda result: "100% passed" in result["stdout"] or " 0 failures, 0 errors" in result["stdout"])


@case()
def test_programs_of_go_pass(context):
    if not GO.is_dir():
        raise Skipped("golang-1.19-src is not installed")
    # They print nothing when all is well.
    all_pass(context, "go", [(name, (GO / f"{name}.go").read_text(), []) for name in GO_PROGRAMS], 20,
             lambda result: result["stdout"] == "" and result["stderr"] == "", memory_bytes=1 << 30)
